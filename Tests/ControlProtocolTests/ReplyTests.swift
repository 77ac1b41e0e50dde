// SPDX-License-Identifier: GPL-2.0-or-later
// What RTPProxy answers, and what only looks like it.

import Bytes
import ControlProtocol
import Testing

/// A reply as a person reads it: the address as text instead of a range.
private func reading(_ text: String) -> String { reading(Array(text.utf8)) }

private func reading(_ reply: [UInt8], poisonedBy poison: [UInt8] = []) -> String {
    let bytes = poison + reply + poison
    let range = ByteRange(start: poison.count, count: reply.count)
    switch MediaReply.parse(bytes.span, range) {
    case .address(let port, let address, let family):
        let inside = address.isEmpty || (address.start >= range.start && address.end <= range.end)
        let name = String(decoding: bytes[address.start..<address.end], as: UTF8.self)
        return inside ? "\(port) \(name) \(family)" : "outside"
    case .noSession: return "no session"
    case .badPort: return "bad port"
    case .error(let code): return "E\(code.number)"
    case .malformed: return "malformed"
    }
}

private func plain(_ text: String) -> PlainReply {
    let bytes = Array(text.utf8)
    return PlainReply.parse(bytes.span, bytes.span.all)
}

@Suite struct MediaReplyTests {
    @Test(arguments: [
        ("35000", "35000  ipv4"), ("1", "1  ipv4"), ("65535", "65535  ipv4"),
        ("35000 192.0.2.7", "35000 192.0.2.7 ipv4"), ("35000 0.0.0.0", "35000 0.0.0.0 ipv4"),
        ("35000 2001:db8::7 6", "35000 2001:db8::7 ipv6"), ("35000 ::1", "35000 ::1 ipv6"),
        ("35000 ::ffff:192.0.2.7 6", "35000 ::ffff:192.0.2.7 ipv6"),
        ("  35000 \t 192.0.2.7  ", "35000 192.0.2.7 ipv4"), ("00035000", "35000  ipv4"),
    ])
    func aPortComesWithOrWithoutAnAddress(_ text: String, _ expected: String) {
        #expect(reading(text) == expected)
    }

    @Test func furtherWordsAreIgnored() {
        #expect(reading("35000 192.0.2.7 4 and && more") == "35000 192.0.2.7 ipv4")
        #expect(reading("35000 2001:db8::7 6 x") == "35000 2001:db8::7 ipv6")
    }

    /// What announces a family does not decide it: the address itself does.
    @Test func theFamilyIsThatOfTheAddressItself() {
        #expect(reading("35000 192.0.2.7 6") == "35000 192.0.2.7 ipv4")
        #expect(reading("35000 2001:db8::7") == "35000 2001:db8::7 ipv6")
    }

    @Test(arguments: ["0", "00", "0 192.0.2.7"])
    func portZeroMeansThatThereIsNoSession(_ text: String) {
        #expect(reading(text) == "no session")
    }

    @Test(arguments: ["65536", "100000", "4294967295", "65536 192.0.2.7"])
    func aNumberAbove65535IsNoPort(_ text: String) {
        #expect(reading(text) == "bad port")
    }

    /// 65537, 2^32 + 1 and 2^64 + 1 become 1 where a number overflows unseen.
    @Test(arguments: ["65537", "4294967297", "18446744073709551617", String(repeating: "9", count: 1000)])
    func aNumberThatOverflowsNeverBecomesAPort(_ text: String) {
        #expect(["bad port", "malformed"].contains(reading(text)))
    }

    @Test(arguments: [("E50", 50), ("e50", 50), ("E7", 7), ("E007", 7), ("E72 more", 72), (" E1", 1), ("E0", 0)])
    func errorsHaveANumber(_ text: String, _ number: UInt32) {
        #expect(reading(text) == "E\(number)")
    }

    @Test(arguments: [
        "", " ", "\t", "E", "E 50", "E5x", "E-1", "EE1", "E99999999999999999999", "-1", "+1", "1.5", "0x10", "port",
        "35000a", "35000 host", "35000 192.0.2", "35000 192.0.2.256", "35000 1:2", "35000 [::1]", "35000 6",
        "35000\u{0}", "35000\r", "35000\n192.0.2.7", "\u{0}", "é", "35000,192.0.2.7",
    ])
    func anythingElseIsNoProtocol(_ text: String) {
        #expect(reading(text) == "malformed")
    }

    /// A reply is read as far as it goes, whatever lies around it in memory.
    @Test(arguments: ["35000 192.0.2.7 4", "35000 2001:db8::7 6", "E72 no ports", "0", "65536 x"])
    func everyPrefixIsReadForItself(_ text: String) {
        let whole = Array(text.utf8)
        for length in 0...whole.count {
            let prefix = Array(whole.prefix(length))
            // What stands around the reply belongs to others, such as the rest of it in another arrival.
            for poison in ["9", "E", " ", "6", ".", ":", "\u{0}", "\n"] {
                #expect(reading(prefix, poisonedBy: Array(poison.utf8)) == reading(prefix), "\(text) \(length)")
            }
        }
    }

    @Test func everyByteMayTurnIntoAnother() {
        let good = Array("35000 192.0.2.7".utf8)
        for index in good.indices {
            for poison in UInt8.min...UInt8.max {
                var bytes = good
                bytes[index] = poison
                let result = reading(bytes)
                let isNumeric = UInt8(ascii: "0")...UInt8(ascii: "9") ~= poison
                let isBlank = poison == 0x20 || poison == 0x09
                if !isNumeric, !isBlank, index < 5, index > 0 { #expect(result == "malformed", "\(index) \(poison)") }
                if index == 0, !isNumeric, !isBlank { #expect(result == "malformed" || result.hasPrefix("E")) }
                #expect(result != "outside")
            }
        }
    }

    @Test func rangesOutsideTheBytesAreNoReply() {
        let bytes = Array("35000".utf8)
        for range in [
            ByteRange(start: -9, count: 4), ByteRange(start: 5, count: 9), ByteRange(start: .max, count: .max), .empty,
        ] {
            #expect(MediaReply.parse(bytes.span, range) == .malformed)
            #expect(PlainReply.parse(bytes.span, range) == .malformed)
        }
        #expect(reading("35000") == "35000  ipv4")
    }
}

@Suite struct PlainReplyTests {
    @Test(arguments: ["0", "1", "60 11 22 33 0", " 0 "])
    func aNumberIsDone(_ text: String) {
        #expect(plain(text) == .done)
    }

    @Test(arguments: [("E50", 50), ("e1", 1), ("E35 x", 35)])
    func errorsHaveANumber(_ text: String, _ number: UInt32) {
        #expect(plain(text) == .error(ErrorCode(number)))
    }

    @Test(arguments: ["", " ", "E", "Ex", "ok", "-1", "0x", "\u{0}", "0\u{0}", "é"])
    func anythingElseIsNoProtocol(_ text: String) {
        #expect(plain(text) == .malformed)
    }

    /// It becomes `$rtpstat`, and that a header.
    @Test(arguments: [
        "60 1\nX-Forged: 1", "60 1\rx", "60 1\u{0}", "60\t1", "60 \u{7F}", "60 é", "60 \u{1B}[2J", "E50\n1",
    ])
    func aReplyIsPrintable(_ text: String) {
        #expect(plain(text) == .malformed)
    }

    @Test func noSessionIsE50() {
        #expect(plain("E50") == .error(.noSession))
        #expect(plain("E51") != .error(.noSession))
    }
}

@Suite struct ErrorCodeTests {
    /// Out of ports, descriptors or memory, overloaded, draining, and what RTPProxy 1.x calls internal faults.
    @Test func onlyShortageIsWorthAnotherNode() {
        let expected: Set<UInt32> = [7, 8, 9, 10, 71, 72, 81, 82, 83, 84, 85, 86, 87, 88, 89, 98, 99]
        let found = Set((0...200).filter { ErrorCode($0).isWorthAnotherNode })
        #expect(found == expected)
        #expect(!ErrorCode(.max).isWorthAnotherNode)
    }
}
