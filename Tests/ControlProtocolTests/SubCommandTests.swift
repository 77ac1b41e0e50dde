// SPDX-License-Identifier: GPL-2.0-or-later
// Sub-commands as they go over the wire, and what a relay answers to them.

import Bytes
import ControlProtocol
import Testing

/// A fingerprint of SHA-256 that ends in `last`.
private func fingerprint(_ last: String = "CD") -> String { String(repeating: "AB:", count: 31) + last }

/// Texts one behind the other, with bytes between them that must not get out.
private struct Words {
    var bytes: [UInt8] = Array("<<".utf8)

    mutating func add(_ text: String) -> ByteRange {
        let range = ByteRange(start: bytes.count, count: text.utf8.count)
        bytes += Array(text.utf8) + Array(">>".utf8)
        return range
    }
}

@Suite struct SubCommandTests {
    private func written(_ make: (inout Words) -> SubCommand) -> Result<String, SubCommandFault> {
        var words = Words()
        let command = make(&words)
        var joined = JoinedCommand()
        var text: [UInt8] = []
        do throws(SubCommandFault) {
            try joined.append(command, words.bytes.span, to: &text)
        } catch {
            return text.isEmpty && joined.count == 0 ? .failure(error) : .success("something, and a fault")
        }
        return .success(String(decoding: text, as: UTF8.self))
    }

    @Test func eachIsJoinedToWhatStandsBefore() {
        #expect(written { _ in .dtlsSelf } == .success(" && M4:1 S"))
        #expect(written { _ in .dtlsEnd } == .success(" && M4:1 D"))
        #expect(written { _ in .dtlsSelfEnd } == .success(" && M4:1 U"))
        #expect(written { _ in .iceSelf } == .success(" && M5:1 S"))
        #expect(written { _ in .iceSelfEnd } == .success(" && M5:1 U"))
        #expect(written { _ in .iceEnd } == .success(" && M5:1 D"))
        #expect(
            written { .icePeer(ufrag: $0.add("u+/9"), password: $0.add(String(repeating: "p", count: 22))) }
                == .success(" && M5:1 A u+/9 pppppppppppppppppppppp"))
        #expect(
            written {
                .iceCandidate(
                    PeerCandidate(
                        foundation: $0.add("1"), priority: $0.add("2130706431"), address: $0.add("2001:db8::1"),
                        port: 5004,
                        type: $0.add("host")))
            } == .success(" && M5:1 C 1 1 UDP 2130706431 2001:db8::1 5004 typ host"))
    }

    /// A relay takes small letters, too, and then finds no certificate to be the right one.
    @Test(arguments: [false, true])
    func aFingerprintGoesInCapitals(_ isPassive: Bool) {
        #expect(
            written { .dtlsPeer(isPassive: isPassive, fingerprint: $0.add(fingerprint("cd").lowercased())) }
                == .success(" && M4:1 \(isPassive ? "P" : "A") sha-256 \(fingerprint())"))
    }

    @Test(arguments: [
        "", "AB", fingerprint() + ":AB", String(fingerprint().dropLast()), fingerprint("GG"), fingerprint("A "),
        fingerprint("A\n"), fingerprint().replacing(":", with: "-"), fingerprint().replacing(":", with: "A"),
        "&&", fingerprint("A\u{0}"),
    ])
    func whatIsNoFingerprintOfSHA256IsNotSent(_ text: String) {
        #expect(
            written { .dtlsPeer(isPassive: false, fingerprint: $0.add(text)) } == .failure(.fingerprint))
    }

    @Test(arguments: [
        "", "abc", "a b c", "abc\n", "abc;", "abc&&", "ab&&", "ab\u{0}c", "abc\u{7F}", "abcé",
        String(repeating: "u", count: 257),
    ])
    func whatIsNoUserNameIsNotSent(_ text: String) {
        let password = String(repeating: "p", count: 22)
        #expect(written { .icePeer(ufrag: $0.add(text), password: $0.add(password)) } == .failure(.ufrag))
        #expect(
            written { .icePeer(ufrag: $0.add("abcd"), password: $0.add(text + (text.count < 22 ? text : ""))) }
                == .failure(.password))
    }

    private func candidate(
        _ foundation: String = "1", _ priority: String = "1", _ address: String = "192.0.2.1", _ port: UInt16 = 9,
        _ type: String = "srflx"
    ) -> Bool {
        written {
            .iceCandidate(
                PeerCandidate(
                    foundation: $0.add(foundation), priority: $0.add(priority), address: $0.add(address), port: port,
                    type: $0.add(type)))
        } != .failure(.candidate)
    }

    /// A name, mostly of mDNS, makes a relay refuse the whole command.
    @Test func onlyCandidatesThatARelayTakesAreSent() {
        #expect(candidate())
        #expect(candidate("+/az09"))
        for type in ["host", "prflx", "relay"] { #expect(candidate("1", "1", "::1", 65535, type)) }
        for address in ["", "browser.local", "192.0.2", "0.0.0.0", "::", "[::1]", "192.0.2.1 x"] {
            #expect(!candidate("1", "1", address), "\(address)")
        }
        for foundation in ["", "1 2", "1;2", "&&", String(repeating: "1", count: 33)] {
            #expect(!candidate(foundation), "\(foundation)")
        }
        #expect(candidate("1", "2147483647"))
        for priority in ["", "0", "2147483648", "-1", "1 2", "00000000001", "&&"] {
            #expect(!candidate("1", priority), "\(priority)")
        }
        #expect(!candidate("1", "1", "192.0.2.1", 0))
        for type in ["", "HOST", "host typ", "tcp", "&&"] { #expect(!candidate("1", "1", "::1", 9, type), "\(type)") }
    }

    @Test func oneCommandHasFifteenAtMost() throws {
        var joined = JoinedCommand()
        var text: [UInt8] = []
        for _ in 0..<15 { try joined.append(.dtlsSelf, Span(), to: &text) }
        let length = text.count
        #expect(throws: SubCommandFault.tooMany) { try joined.append(.dtlsSelf, Span(), to: &text) }
        #expect(joined.count == 15 && text.count == length)
    }

    @Test func rangesOutsideTheBytesAreNotSent() {
        #expect(
            written { _ in .dtlsPeer(isPassive: true, fingerprint: ByteRange(start: -5, count: 95)) }
                == .failure(.fingerprint))
        #expect(
            written { _ in .icePeer(ufrag: ByteRange(start: 900, count: 8), password: ByteRange(start: 0, count: 99)) }
                == .failure(.ufrag))
    }
}

@Suite struct JoinedReplyTests {
    /// The parts of an answer as a person reads them: `count` of them behind the head.
    private func parts(_ text: String, _ count: Int) -> [String] {
        let poison = Array(" && 7 ".utf8)
        let bytes = poison + Array(text.utf8) + poison
        let range = ByteRange(start: poison.count, count: text.utf8.count)
        var reply = JoinedReply(bytes.span, range)
        func shown(_ range: ByteRange) -> String { String(decoding: bytes[range.start..<range.end], as: UTF8.self) }
        var parts = [shown(bytes.span.trimmed(reply.head))]
        for _ in 0..<count {
            switch reply.next(in: bytes.span) {
            case .success: parts.append("success")
            case .failure: parts.append("failure")
            case .value(let range): parts.append(shown(range))
            }
        }
        return parts
    }

    @Test func anAnswerIsCutBehindEachCommand() {
        #expect(
            parts("35000 192.0.2.7 && 0 && passive SHA-256 AB && u p c:x", 3) == [
                "35000 192.0.2.7", "success", "passive SHA-256 AB", "u p c:x",
            ])
    }

    @Test func successesAtTheEndAreLeftOut() {
        #expect(parts("35000 192.0.2.7", 2) == ["35000 192.0.2.7", "success", "success"])
        #expect(parts("35000 && u p", 3) == ["35000", "u p", "success", "success"])
        #expect(parts("", 1) == ["", "success"])
    }

    @Test(arguments: ["-1", "-2", "E3", "e50", "", "-"])
    func theFirstFailureEndsTheRest(_ failure: String) {
        #expect(
            parts("35000 && 0 && \(failure) && u p && 0", 4)
                == ["35000", "success", "failure", "failure", "failure"])
    }

    @Test func onlyAWordOfItsOwnCuts() {
        #expect(parts("35000 a&& &&b && x&&y", 1) == ["35000 a&& &&b", "x&&y"])
    }

    private func dtls(_ text: String) -> String? {
        let bytes = Array(text.utf8)
        guard let reply = DTLSReply(bytes.span, bytes.span.all) else { return nil }
        return "\(reply.setup) "
            + String(decoding: bytes[reply.fingerprint.start..<reply.fingerprint.end], as: UTF8.self)
    }

    @Test func whatARelaySaysOfItsDTLSIsRead() {
        for role in ["actpass", "active", "passive"] {
            #expect(dtls("\(role) SHA-256 \(fingerprint())") == "\(role) \(fingerprint())")
            #expect(dtls("\(role) sha-256 \(fingerprint())") == "\(role) \(fingerprint())")
        }
    }

    @Test(arguments: [
        "", "passive", "passive SHA-256", "passive SHA-256 AB", "passive SHA-1 \(fingerprint())",
        "holdconn SHA-256 \(fingerprint())", "passive SHA-256 \(fingerprint()) x", "PASSIVE SHA-256 \(fingerprint())",
        "passive SHA-256 \(fingerprint("A\r"))", "passive\r\na=x SHA-256 \(fingerprint())",
    ])
    func anythingElseIsNone(_ text: String) {
        #expect(dtls(text) == nil)
    }

    private func ice(_ text: String) -> String? {
        let bytes = Array(text.utf8)
        guard let reply = ICEReply(bytes.span, bytes.span.all) else { return nil }
        return [reply.ufrag, reply.password]
            .map { String(decoding: bytes[$0.start..<$0.end], as: UTF8.self) }.joined(separator: " ")
    }

    @Test func whatARelaySaysOfItsICEIsRead() {
        let password = "axTYoelNYZhtkDu7TDbF+kJT"
        #expect(ice("+3b/ \(password) c:7f000001%201%20UDP") == "+3b/ \(password)")
        #expect(ice("+3b/ \(password)") == "+3b/ \(password)")
        for text in ["", "+3b/", "+3b \(password)", "+3b/ short", "+3b; \(password)", "+3b/\r\n \(password)", "a b c"] {
            #expect(ice(text) == nil, "\(text)")
        }
        #expect(ice("+3b/ \(password)\r\na=x") == nil)
    }

    @Test func aModuleIsThereWhereThereIsNoSession() {
        func found(_ position: Int, _ reply: String) -> Capabilities {
            let bytes = Array(reply.utf8)
            return ModuleProbe.capability(position, bytes.span, bytes.span.all)
        }
        #expect(found(0, "0") == .dtls && found(1, "0") == .ice)
        for reply in ["E3", "E1", "", "1", "35000", "x"] { #expect(found(0, reply) == [] && found(1, reply) == []) }
        var text: [UInt8] = []
        ModuleProbe.write(0, into: &text)
        #expect(String(decoding: text, as: UTF8.self) == "L nosuch 127.0.0.1 9 ft tt && M4:1 S")
        text = []
        ModuleProbe.write(1, into: &text)
        #expect(String(decoding: text, as: UTF8.self) == "L nosuch 127.0.0.1 9 ft tt && M5:1 S")
    }
}
