// SPDX-License-Identifier: GPL-2.0-or-later
// Values of rtpproxy_sock: what they mean, and the faults that quote what is wrong.

import SharedState
import Testing

@testable import CallControl

@Suite struct NodeLineTests {
    /// The nodes of one value as `set url weight`, or the text at fault and the reason.
    private func parse(_ text: String, firstIndex: Int = 0) -> Result<[NodeDefinition], Quoted> {
        let bytes = Array(text.utf8)
        do throws(NodeLineFault) {
            return .success(try NodeLine.parse(bytes.span, firstIndex: firstIndex))
        } catch {
            let text = String(decoding: bytes[error.range.start..<error.range.end], as: UTF8.self)
            return .failure(Quoted(text: text, reason: "\(error.reason)"))
        }
    }

    struct Quoted: Error, Equatable {
        var text: String
        var reason: String
    }

    private func entries(_ text: String) throws -> [String] {
        try parse(text).get().map { "\($0.setID) \(String(decoding: $0.url, as: UTF8.self)) \($0.weight)" }
    }

    @Test(arguments: [
        ("udp:127.0.0.1:22222", ["0 udp:127.0.0.1:22222 1"]),
        ("udp:localhost", ["0 udp:localhost 1"]),
        ("/run/rtpproxy.sock", ["0 /run/rtpproxy.sock 1"]),
        ("unix:/run/rtpproxy.sock", ["0 unix:/run/rtpproxy.sock 1"]),
        ("udp6:[::1]:22222", ["0 udp6:[::1]:22222 1"]),
        ("udp6:::1", ["0 udp6:::1 1"]),
        ("udp:a:1 udp:b:2", ["0 udp:a:1 1", "0 udp:b:2 1"]),
        ("\t udp:a:1 \t  udp:b:2 \t", ["0 udp:a:1 1", "0 udp:b:2 1"]),
        ("1 == udp:a:1 udp:b:2", ["1 udp:a:1 1", "1 udp:b:2 1"]),
        ("1==udp:a:1", ["1 udp:a:1 1"]),
        ("  007\t==\tudp:a:1", ["7 udp:a:1 1"]),
        ("2147483647 == udp:a:1", ["2147483647 udp:a:1 1"]),
        ("udp:a:1=2 udp:b:2=0 udp:c:3=1000000", ["0 udp:a:1 2", "0 udp:b:2 0", "0 udp:c:3 1000000"]),
        ("3 == udp:a:1=2 udp:a:1=5", ["3 udp:a:1 2", "3 udp:a:1 5"]),
        ("22=3", ["0 22 3"]), ("22=3 udp:a:1", ["0 22 3", "0 udp:a:1 1"]), ("/run/a,b;c", ["0 /run/a,b;c 1"]),
        ("", []), ("  \t ", []),
    ])
    func aValueIsASetAndItsNodes(_ text: String, _ expected: [String]) throws {
        #expect(try entries(text) == expected)
    }

    @Test func nodesAreNumberedInOrderOfDefinition() throws {
        #expect(try parse("udp:a:1 udp:b:2 udp:c:3", firstIndex: 4).get().map(\.index) == [4, 5, 6])
    }

    @Test(arguments: [
        ("1 ==", "1 ==", "no RTPProxy behind =="), (" 1 == \t", "1 ==", "no RTPProxy behind =="),
        ("x == udp:a:1", "x == udp:a:1", "the set id before == is not a number"),
        ("== udp:a:1", "== udp:a:1", "the set id before == is not a number"),
        ("-1 == udp:a:1", "-1 == udp:a:1", "the set id before == is not a number"),
        ("1 2 == udp:a:1", "1 2 == udp:a:1", "the set id before == is not a number"),
        ("2147483648 == udp:a:1", "2147483648 == udp:a:1", "the set id before == is not a number"),
        ("udp:a:1==2", "udp:a:1==2", "the set id before == is not a number"),
        ("udp:a:1=x", "udp:a:1=x", "the weight behind = is not a number of 0..1000000"),
        ("udp:a:1=", "udp:a:1=", "the weight behind = is not a number of 0..1000000"),
        ("udp:a:1=-1", "udp:a:1=-1", "the weight behind = is not a number of 0..1000000"),
        ("udp:a:1=1.5", "udp:a:1=1.5", "the weight behind = is not a number of 0..1000000"),
        ("udp:a:1=1000001", "udp:a:1=1000001", "the weight behind = is not a number of 0..1000000"),
        ("udp:a:1=4294967297", "udp:a:1=4294967297", "the weight behind = is not a number of 0..1000000"),
        ("1=udp:a:1", "1=udp:a:1", "a set id is followed by ==, not ="),
        (" 1 = udp:a:1 udp:b:2 ", "1 = udp:a:1 udp:b:2", "a set id is followed by ==, not ="),
        ("udp:a:1,udp:b:2", "udp:a:1,udp:b:2", "RTPProxies are separated by blanks, not by , or ;"),
        ("udp:a:1=2,udp:b:2", "udp:a:1=2,udp:b:2", "RTPProxies are separated by blanks, not by , or ;"),
        ("udp:a:1; udp:b:2", "udp:a:1;", "RTPProxies are separated by blanks, not by , or ;"),
        ("udp:a:1 =2", "=2", "empty URL"), ("=", "=", "the weight behind = is not a number of 0..1000000"),
        ("sctp:a:1", "sctp:a:1", "unknown scheme, not udp:, udp6:, unix:, cunix:, tcp: or tcp6:"),
        ("udp:a:x", "udp:a:x", "port is neither a number of 1..65535 nor a service that this system knows"),
        ("udp:a:0", "udp:a:0", "port is neither a number of 1..65535 nor a service that this system knows"),
        ("udp:a:65536", "udp:a:65536", "port is neither a number of 1..65535 nor a service that this system knows"),
        ("udp:", "udp:", "no host"), ("unix:", "unix:", "no path"),
        ("udp:::1", "udp:::1", "an IPv6 address needs udp6: or tcp6:"),
    ])
    func whatIsWrongIsQuotedWithItsReason(_ text: String, _ quoted: String, _ reason: String) {
        #expect(throws: Quoted(text: quoted, reason: reason)) { try parse(text).get() }
    }

    /// The entry at fault, not its neighbours.
    @Test func theEntryAtFaultIsQuotedAlone() {
        #expect(
            throws: Quoted(
                text: "udp:b:x=3", reason: "port is neither a number of 1..65535 nor a service that this system knows")
        ) {
            try parse("4 == udp:a:1=2 udp:b:x=3 udp:c:3").get()
        }
    }

    @Test func everyPrefixIsAValueOrAFault() {
        let whole = Array("12 == udp:10.0.0.1:22222=3 udp6:[2001:db8::1]:1 unix:/run/a=0".utf8)
        for length in 0...whole.count {
            for poison in [0, 0x0A, 0x20, 0x3D, 0x7F, 0xFF] as [UInt8] {
                let text = Array(whole.prefix(length)) + [poison]
                do throws(NodeLineFault) {
                    for entry in try NodeLine.parse(text.span, firstIndex: 0) {
                        #expect(!entry.url.isEmpty)
                        #expect(entry.weight <= NodeLine.maximumWeight)
                        #expect(entry.url.allSatisfy { $0 > 0x20 && $0 != 0x7F })
                    }
                } catch {
                    #expect(error.range.start >= 0 && error.range.end <= text.count)
                }
            }
        }
    }
}
