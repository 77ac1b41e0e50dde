// SPDX-License-Identifier: GPL-2.0-or-later
// URLs as tables: what they are cut into, and what is refused why.

import Bytes
import Foundation
import Testing
import Transport

private func parse(_ text: String, within padding: String = "") throws -> NodeURL {
    let bytes = Array((padding + text + padding).utf8)
    return try NodeURL(bytes.span, ByteRange(start: padding.utf8.count, count: text.utf8.count))
}

private func target(_ text: String, _ url: NodeURL) -> String {
    String(decoding: Array(text.utf8)[url.target.start..<url.target.end], as: UTF8.self)
}

@Test(arguments: [
    ("udp:127.0.0.1", NodeScheme.udp, "127.0.0.1", 22222),
    ("udp:127.0.0.1:1", .udp, "127.0.0.1", 1),
    ("udp:relay-1.example_net:65535", .udp, "relay-1.example_net", 65535),
    ("UDP:localhost", .udp, "localhost", 22222),
    ("udp6:[2001:db8::1]", .udp6, "2001:db8::1", 22222),
    ("udp6:[2001:db8::1]:7890", .udp6, "2001:db8::1", 7890),
    ("udp6:2001:db8::1", .udp6, "2001:db8::1", 22222),
    ("udp6:::1", .udp6, "::1", 22222),
    ("udp6:::1:7890", .udp6, "::1", 7890),
    ("udp6:2001:db8::1:7890", .udp6, "2001:db8::1", 7890),
    ("udp6:::7890", .udp6, "::7890", 22222),
    ("udp6:1:2:3:4:5:6:7:8:9", .udp6, "1:2:3:4:5:6:7:8", 9),
    ("udp6:[::ffff:192.0.2.1]:9", .udp6, "::ffff:192.0.2.1", 9),
    ("udp6:relay.example.net", .udp6, "relay.example.net", 22222),
    ("udp6:relay.example.net:5000", .udp6, "relay.example.net", 5000),
    ("unix:/var/run/rtpproxy.sock", .unix, "/var/run/rtpproxy.sock", 0),
    ("unix:rtpproxy.sock", .unix, "rtpproxy.sock", 0),
    ("cunix:/var/run/rtpproxy.sock", .cunix, "/var/run/rtpproxy.sock", 0),
    ("CUNIX:rtpproxy.sock", .cunix, "rtpproxy.sock", 0),
    ("tcp:127.0.0.1", .tcp, "127.0.0.1", 22222),
    ("tcp:relay.example.net:5000", .tcp, "relay.example.net", 5000),
    ("tcp6:[2001:db8::1]:7890", .tcp6, "2001:db8::1", 7890),
    ("tcp6:::1:7890", .tcp6, "::1", 7890),
    ("TCP6:relay.example.net", .tcp6, "relay.example.net", 22222),
    ("unix:/tmp/a:b", .unix, "/tmp/a:b", 0),
    ("/var/run/rtpproxy.sock", .unix, "/var/run/rtpproxy.sock", 0),
    ("./rtpproxy.sock", .unix, "./rtpproxy.sock", 0),
    ("run/rtp:proxy.sock", .unix, "run/rtp:proxy.sock", 0),
    ("rtpproxy.sock", .unix, "rtpproxy.sock", 0),
    ("localhost", .unix, "localhost", 0),
    ("udp:*:7890", .udp, "*", 7890),
    ("udp:*", .udp, "*", 22222),
    ("udp6:*:7890", .udp6, "*", 7890),
    ("tcp:*:7890", .tcp, "*", 7890),
])
func urlsAreCutIntoSchemeHostAndPort(_ text: String, _ scheme: NodeScheme, _ host: String, _ port: Int) throws {
    let url = try parse(text)
    #expect(url.scheme == scheme)
    #expect(target(text, url) == host)
    #expect(Int(url.port) == port)
    #expect(try parse(text, within: "\u{1}:/9") == url, "what stands around a URL is not looked at")
}

@Test(arguments: [
    ("", NodeURLError.empty),
    ("udp:" + String(repeating: "h", count: 252), .tooLong),
    ("udp:a b", .unfitByte),
    ("udp:a\t", .unfitByte),
    ("/run/\u{7F}", .unfitByte),
    ("unix:/run/\u{0}x", .unfitByte),
    ("tls:localhost", .unknownScheme),
    ("127.0.0.1:22222", .unknownScheme),
    (":22222", .unknownScheme),
    ("udp:", .noHost),
    ("udp::22222", .noHost),
    ("udp6:", .noHost),
    ("udp6:[]", .noHost),
    ("udp6:[]:5", .noHost),
    ("udp:a/b", .badHost),
    ("udp:**", .badHost),
    ("udp:*.example.net", .badHost),
    ("udp6:[*]:5", .badHost),
    ("udp:localhost:no-such-service", .badPort),
    ("udp:localhost:a-name-of-more-than-thirty-one-bytes", .badPort),
    ("udp:höst", .badHost),
    ("udp6:[::1", .badHost),
    ("udp6:[::1]x", .badHost),
    ("udp6:[::1]5", .badHost),
    ("udp6:[localhost]", .badHost),
    ("udp6:::g", .badHost),
    ("udp6:1:2:3", .badHost),
    ("udp:::1", .needsIPv6),
    ("udp:[::1]:5", .needsIPv6),
    ("tcp:::1", .needsIPv6),
    ("tcp:", .noHost),
    ("tcp6:[::1]:0", .badPort),
    ("udp:localhost:", .badPort),
    ("udp:localhost:0", .badPort),
    ("udp:localhost:65536", .badPort),
    ("udp:localhost:99999999999999999999", .badPort),
    ("udp:localhost:-1", .badPort),
    ("udp:localhost:5x", .badPort),
    ("udp6:[::1]:", .badPort),
    ("unix:", .noPath),
    ("cunix:", .noPath),
    ("/" + String(repeating: "p", count: 107), .pathTooLong),
    ("unix:/" + String(repeating: "p", count: 107), .pathTooLong),
])
func badURLsAreRefusedWithTheReason(_ text: String, _ reason: NodeURLError) {
    #expect(throws: reason) { try parse(text) }
    #expect(reason.text.utf8CodeUnitCount > 0)
}

@Test func theLongestPathFits() throws {
    let path = "/" + String(repeating: "p", count: 106)
    #expect(try parse("unix:" + path).target.count == 107)
    #expect(try parse(path).target.count == 107)
}

@Test func theLongestURLFitsAndNoLongerHost() throws {
    let url = try parse("udp:" + String(repeating: "h", count: 251))
    #expect(url.target.count == 251)
}

@Test func everyPrefixOfAURLIsReadWithoutATrap() {
    for text in ["udp:127.0.0.1:22222", "udp6:[2001:db8::1]:22222", "unix:/var/run/x", "/var/run/x"] {
        for count in 0...text.utf8.count { _ = try? parse(String(text.prefix(count))) }
        for byte in UInt8.min...UInt8.max {
            for position in 0..<text.utf8.count {
                var bytes = Array(text.utf8)
                bytes[position] = byte
                _ = try? NodeURL(bytes.span, bytes.span.all)
            }
        }
    }
}

@Test(arguments: [
    ("udp:192.0.2.7:5", "192.0.2.7", false), ("udp6:[2001:db8::7]:5", "2001:db8::7", true),
])
func numericHostsBecomeAddressesThatSurviveAsWords(_ text: String, _ host: String, _ isIPv6: Bool) throws {
    let bytes = Array(text.utf8)
    let url = try parse(text)
    let found = Resolver.numeric(bytes.span, url)
    let address = try #require(found)
    #expect(address.isIPv6 == isIPv6)
    #expect(address.port == 5)
    #expect(SocketAddress(words: address.words) == address)
    #expect(try Resolver.resolve(bytes.span, url) == address)
    if isIPv6 {
        #expect(address.words.1 == 0x2001_0db8_0000_0000)
        #expect(address.words.2 == 7)
    } else {
        #expect(address.words.1 == 0xC000_0207)
    }
}

@Test func threeZeroWordsAreNoAddress() {
    #expect(SocketAddress(words: (0, 0, 0)) == nil)
    #expect(SocketAddress(words: (5, 1, 1)) == nil)
}

@Test func namesAreNotNumericAndUnixSocketsHaveNoAddress() throws {
    for text in ["udp:localhost", "udp6:localhost", "/run/x"] {
        let bytes = Array(text.utf8)
        #expect(Resolver.numeric(bytes.span, try parse(text)) == nil)
    }
    let path = Array("/run/x".utf8)
    let url = try parse("/run/x")
    #expect(throws: ResolveError.noAddress) { try Resolver.resolve(path.span, url) }
}

/// The names that this system has, of which every system with a list has this one.
@Test(.enabled(if: getservbyname("domain", "udp") != nil))
func portsMayBeNamesOfServices() throws {
    for (text, port) in [("udp:localhost:domain", 53), ("udp6:[::1]:domain", 53), ("tcp:localhost:domain", 53)] {
        for _ in 0..<2 { #expect(Int(try parse(text).port) == port) }
    }
    let bytes = Array("udp:localhost:domain".utf8)
    #expect(try Resolver.resolve(bytes.span, try parse("udp:localhost:domain")).port == 53)
}

@Test(arguments: [("udp:*:9", "127.0.0.1"), ("udp6:*:9", "::1"), ("tcp:*:9", "127.0.0.1"), ("tcp6:*:9", "::1")])
func anAsteriskIsThisHost(_ text: String, _ host: String) throws {
    let bytes = Array(text.utf8)
    let spelled = Array(text.replacingOccurrences(of: "*", with: host.contains(":") ? "[\(host)]" : host).utf8)
    let expected = Resolver.numeric(spelled.span, try NodeURL(spelled.span, spelled.span.all))
    let found = Resolver.numeric(bytes.span, try parse(text))
    #expect(found != nil && found == expected)
}

@Test func localhostResolves() throws {
    let bytes = Array("udp:localhost:9".utf8)
    let address = try Resolver.resolve(bytes.span, try parse("udp:localhost:9"))
    #expect(address.words.1 == 0x7F00_0001)
    #expect(address.port == 9)
}

@Test func anAddressOfTheOtherFamilyIsNotFound() throws {
    for text in ["udp6:127.0.0.1", "udp:..", "udp:-"] {
        let bytes = Array(text.utf8)
        #expect(Resolver.numeric(bytes.span, try parse(text)) == nil)
    }
}
