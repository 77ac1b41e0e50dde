// SPDX-License-Identifier: GPL-2.0-or-later
// What stands in a message must never become a further argument or command: nothing is sent, and the log says why.

import Testing

@testable import CallControl

@Suite struct InjectionTests {
    /// Bytes that end a word, a command or a text, within a word that would be a command.
    private static let poisons =
        ["\n", "\r", " ", "\t", "\u{0}", "\u{7F}", "\u{1}", "\u{1F}"]
        .flatMap { ["a\($0)X", "\($0)a", "a\($0)", "\($0)"] } + ["&&"]

    struct Word: Sendable, CustomTestStringConvertible {
        var name: String
        var flags = ""
        var poison: @Sendable (FakeCall, String) -> Void
        var testDescription: String { name }
    }

    private static let words = [
        Word(name: "Call-ID") { $0[.callID] = $1 },
        Word(name: "from-tag") { $0[.fromTag] = $1 },
        Word(name: "to-tag") { $0[.toTag] = $1 },
        Word(name: "Via branch", flags: "1") { $0[.via1Branch] = $1 },
        Word(name: "Via branch", flags: "2") { $0[.via2Branch] = $1 },
        Word(name: "extra_id_pv", flags: "b") { $0.variables[.extraID] = Array($1.utf8) },
    ]

    private func worker(_ responder: Responder) throws -> SIPWorker {
        try SIPWorker(
            [responder.url], texts: ["timeout_socket": "unix:/run/t"], features: [.codecLists, .repacketization])
    }

    /// One line that names the Call-ID and the word, and carries nothing of what it complains about.
    private func expectOneLine(_ call: FakeCall, _ word: String) {
        #expect(call.errors.count == 1)
        for line in call.errors {
            #expect(line.contains("\(word) holds a blank or control character"), "\(line)")
            #expect(line.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F }, "\(line.debugDescription)")
        }
    }

    @Test(arguments: words)
    func noWordOfAMessageBecomesTwo(_ word: Word) throws {
        let responder = try Responder()
        let worker = try worker(responder)
        for poison in Self.poisons {
            let functions: [(String, (FakeCall) -> Bool)] = [
                ("offer", { worker.offer($0, word.flags) == .error }),
                ("manage", { worker.manage($0, word.flags) == .error }),
                ("delete", { worker.delete($0, word.flags) == .error }),
            ]
            let withoutFlags: [(String, (FakeCall) -> Bool)] = [
                ("record", { worker.record($0) == .error }),
                ("play", { worker.play($0, "prompt", 1, toCallee: false) == .error }),
                ("stop", { worker.stopPlay($0, toCallee: true) == .error }),
                ("statistics", { worker.statistics($0) == nil }),
            ]
            for (name, function) in functions + (word.flags.isEmpty ? withoutFlags : []) {
                let call = FakeCall(toTag: "tt")
                word.poison(call, poison)
                #expect(function(call), "\(name) \(poison.debugDescription)")
                expectOneLine(call, word.name)
                #expect(call.body == Body.audio && call.instances.isEmpty)
            }
            let answer = FakeCall.ok()
            word.poison(answer, poison)
            #expect(worker.answer(answer, word.flags) == .error)
            expectOneLine(answer, word.name)
        }
        #expect(responder.commands.isEmpty)
    }

    @Test func noPromptBecomesTwoWords() throws {
        let responder = try Responder()
        let worker = try worker(responder)
        for poison in Self.poisons {
            let call = FakeCall(toTag: "tt")
            #expect(worker.play(call, poison, 1, toCallee: false) == .error)
            expectOneLine(call, "prompt name")
        }
        #expect(worker.play(FakeCall(), "", 1, toCallee: false) == .error)
        #expect(responder.commands.isEmpty)
    }

    @Test func noTimeoutTagBecomesTwoWords() throws {
        let responder = try Responder()
        let worker = try worker(responder)
        for poison in Self.poisons {
            let call = FakeCall()
            call.variables[.timeoutTag] = Array(poison.utf8)
            #expect(worker.offer(call) == .error)
            expectOneLine(call, "timeout_tag_pv")
        }
        #expect(responder.commands.isEmpty)
    }

    @Test func noGivenAddressBecomesTwoWords() throws {
        let responder = try Responder()
        let worker = try worker(responder)
        for poison in Self.poisons {
            for function in [worker.offer, worker.manage] as [(FakeCall, String, String?) -> ReturnCode] {
                let call = FakeCall()
                #expect(function(call, "", poison) == .error)
                expectOneLine(call, "address")
                #expect(call.body == Body.audio)
            }
        }
        #expect(responder.commands.isEmpty)
    }

    /// The address of a `c=` line goes on the wire where it is trusted.
    @Test(arguments: ["10.0.0.1\u{0}x", "10.0.0.1\u{7F}", "a\u{1}b", "a\rb", "\u{B}a"])
    func noTrustedAddressBecomesTwoWords(_ address: String) throws {
        let responder = try Responder()
        let worker = try worker(responder)
        for flags in ["r", "a"] {
            let call = FakeCall(body: Body.sdp(address: "IP4 \(address)"))
            let before = call.body
            #expect(worker.offer(call, flags) == .error)
            #expect(call.errors.count == 1 && call.body == before)
        }
        #expect(responder.commands.isEmpty)
    }

    /// What a trusted address says behind a blank is no part of it (RFC 8866 section 5.7).
    @Test func aBlankEndsATrustedAddress() throws {
        let responder = try Responder()
        let worker = try SIPWorker(responder)
        let code = worker.offer(FakeCall(body: Body.sdp(address: "IP4 10.0.0.1 6000 ft;1")), "r")
        #expect(responder.commands == (code == .done ? ["U call-1@example.org 10.0.0.1 5004 ft;1"] : []))
    }

    /// Without its source a command would have an argument less.
    @Test(arguments: ["", " ", "192.0.2.1 x", "a\nb"])
    func aSourceThatIsNoAddressIsRefused(_ source: String) throws {
        let responder = try Responder()
        let worker = try SIPWorker(responder)
        let call = FakeCall()
        call[.source] = source
        #expect(worker.offer(call) == .error)
        #expect(responder.commands.isEmpty && call.body == Body.audio)
        #expect(call.errors.count == 1)
        // Where the address in the SDP counts it does not matter.
        #expect(worker.offer(call, "r") == .done)
    }

    @Test func aCallIDThatIsHugeIsRefusedAndNothingIsSent() throws {
        let responder = try Responder()
        let worker = try SIPWorker(responder)
        for length in [8000, 8192, 100_000] {
            let call = FakeCall()
            call[.callID] = String(repeating: "x", count: length)
            let code = worker.offer(call)
            #expect(code == (length == 8000 ? .done : .error))
            #expect(call.errors.allSatisfy { $0.utf8.count < 400 })
        }
        #expect(responder.commands.count == 1)
        #expect(worker.condition(0) == .up(recheck: 0))
    }
}
