// SPDX-License-Identifier: GPL-2.0-or-later
// What is kept of a dialog that the module looks after: written, read again, and refused where it is something else.

import Bytes
import CallControl
import Testing

@Suite struct EngagementTests {
    private func read(_ text: String) -> [String?]? {
        let bytes = Array(text.utf8)
        guard let read = Engagement(bytes.span) else { return nil }
        let part = { (range: ByteRange?) in range.map { String(decoding: bytes[$0.start..<$0.end], as: UTF8.self) } }
        return [String(read.setID), part(read.flags), part(read.address), part(read.branch), part(read.extraID)]
    }

    /// The node, and what stands before it.
    private func node(_ text: String) -> [String]? {
        let bytes = Array(text.utf8)
        guard let read = Engagement(bytes.span), let node = read.node else { return nil }
        return [bytes[..<read.end], bytes[node.start..<node.end]].map { String(decoding: $0, as: UTF8.self) }
    }

    @Test func theNodeStandsBehindTheRestAndMayBeMissing() {
        #expect(node("1 0 = - - - =udp:127.0.0.1:22222") == ["1 0 = - - -", "udp:127.0.0.1:22222"])
        #expect(node("1 3 =1 =203.0.113.5 =x =y =tcp:[::1]:2") == ["1 3 =1 =203.0.113.5 =x =y", "tcp:[::1]:2"])
        #expect(node("1 0 = - - -") == nil && read("1 0 = - - - =udp:1") != nil)
        #expect(read("1 0 = - - - udp:1") == nil && read("1 0 = - - - =udp:1 =x") == nil)
    }

    /// The text with this node.
    private func moved(_ text: String, _ url: String) -> String? {
        let (bytes, url) = (Array(text.utf8), Array(url.utf8))
        return Engagement(bytes.span)?.text(bytes.span, at: url.span).map { String(decoding: $0, as: UTF8.self) }
    }

    @Test func theNodeIsWrittenBehindTheRestWhereItIsAnotherOne() {
        #expect(moved("1 3 =1 - =x -", "udp:127.0.0.1:1") == "1 3 =1 - =x - =udp:127.0.0.1:1")
        #expect(moved("1 3 =1 - =x - =udp:127.0.0.1:1", "udp:127.0.0.1:2") == "1 3 =1 - =x - =udp:127.0.0.1:2")
        #expect(moved("1 3 =1 - =x - =udp:127.0.0.1:1", "udp:127.0.0.1:1") == nil)
        // What would be further words.
        for url in ["", "udp:a b", "udp:1\n"] { #expect(moved("1 0 = - - -", url) == nil) }
    }

    @Test func partsAreFoundAgain() {
        #expect(read("1 0 = - - -") == ["0", "", nil, nil, nil])
        #expect(read("1 7 =co =203.0.113.5 =z9hG4bK=x -") == ["7", "co", "203.0.113.5", "z9hG4bK=x", nil])
        #expect(read("1 4294967295 =b - - =-") == ["4294967295", "b", nil, nil, "-"])
    }

    @Test(arguments: [
        "", " ", "1", "2 0 = - - -", "1 0 = - -", "1 0 = - - - -", "1 x = - - -", "1 -1 = - - -",
        "1 4294967296 = - - -",
        "1 0 co - - -", "1 0 = 203.0.113.5 - -", "\u{0}", "1\u{0}0 = - - -",
    ])
    func whatIsNoneIsRefused(text: String) { #expect(read(text) == nil) }

    /// What rtpproxy_engage makes of a message.
    private func begin(
        _ flags: String, _ address: String? = nil, ofBranch: Bool = false, _ change: (FakeCall) -> Void = { _ in }
    ) throws -> (code: ReturnCode, text: String?, errors: [String]) {
        let message = FakeCall()
        change(message)
        let worker = try SIPWorker(["udp:127.0.0.1:9"])
        let (code, text) = worker.beginEngagement(message, flags: flags, address: address, ofBranch: ofBranch)
        return (code, text, message.errors)
    }

    @Test func whatIsGivenIsWritten() throws {
        #expect(try begin("").text == "1 0 = - - -")
        #expect(try begin("co", "203.0.113.5").text == "1 0 =co =203.0.113.5 - -")
        #expect(try begin("1").text == "1 0 =1 - =z9hG4bK1 -")
        #expect(try begin("2r").text == "1 0 =2r - =z9hG4bK2 -")
        #expect(try begin("b") { $0.variables[.extraID] = Array("extra".utf8) }.text == "1 0 =b - - =extra")
        #expect(try begin("b").text == "1 0 =b - - -")
    }

    /// What the flags join is that of the branch; where they join nothing, the branch does all the same.
    @Test func aBranchHasANameOfItsOwn() throws {
        let change = { (call: FakeCall) in call[.ownBranch] = "z9hG4bK.1" }
        #expect(try begin("co", ofBranch: true, change).text == "1 0 =co1 - =z9hG4bK.1 -")
        #expect(try begin("1", ofBranch: true, change).text == "1 0 =1 - =z9hG4bK.1 -")
        #expect(try begin("2", ofBranch: true, change).text == "1 0 =2 - =z9hG4bK2 -")
        let extra = { (call: FakeCall) in call.variables[.extraID] = Array("two".utf8) }
        #expect(try begin("b", ofBranch: true, extra).text == "1 0 =b - - =two")
    }

    @Test(arguments: ["q", "l", "z", "co,r"]) func flagsThatDoNotFitEngageNothing(flags: String) throws {
        let (code, text, errors) = try begin(flags)
        #expect(code == .error && text == nil && errors.count == 1)
    }

    @Test func wordsThatDoNotFitEngageNothing() throws {
        #expect(try begin("", "").code == .error)
        #expect(try begin("", "203.0.113.5 x").code == .error)
        #expect(try begin("1") { $0[.via1Branch] = "" }.code == .error)
        #expect(try begin("1") { $0[.via1Branch] = "a b" }.code == .error)
        #expect(try begin("b") { $0.variables[.extraID] = Array("a b".utf8) }.code == .error)
        #expect(try begin("") { $0[.callID] = "" }.code == .error)
    }
}
