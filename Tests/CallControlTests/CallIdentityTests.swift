// SPDX-License-Identifier: GPL-2.0-or-later
// Which call a message belongs to: Call-ID with what flags append, tags, and bytes that do not fit.

import Bytes
import Testing

@testable import CallControl

@Suite struct CallIdentityTests {
    private func flags(_ text: String) throws -> CallFlags {
        var modifiers: [UInt8] = []
        let text = Array(text.utf8)
        return try CallFlags.parse(text.span, for: .media, modifiers: &modifiers)
    }

    /// The words as they go over the wire, or the fault.
    private func words(
        _ call: FakeCall, _ flagText: String = "", swapped: Bool = false, withToTag: Bool = true
    ) throws -> [String] {
        var identity = CallIdentity()
        try identity.read(call, try flags(flagText))
        let words = try identity.words(swapped: swapped, withToTag: withToTag)
        return [words.callID, words.firstTag, words.secondTag].map {
            String(decoding: identity.text[$0.start..<$0.end], as: UTF8.self)
        }
    }

    @Test func aCallIsItsCallIDAndItsTags() throws {
        #expect(try words(FakeCall()) == ["call-1@example.org", "ft", ""])
        #expect(try words(FakeCall(toTag: "tt")) == ["call-1@example.org", "ft", "tt"])
        #expect(try words(FakeCall(toTag: "tt"), swapped: true) == ["call-1@example.org", "tt", "ft"])
        #expect(try words(FakeCall(toTag: "tt"), withToTag: false) == ["call-1@example.org", "ft", ""])
    }

    @Test func swappedTagsNeedAToTag() {
        #expect(throws: CallFailure.missing(.toTag)) { try words(FakeCall(), swapped: true) }
    }

    @Test func callIDAndFromTagAreNeeded() {
        let call = FakeCall()
        call[.fromTag] = ""
        #expect(throws: CallFailure.missing(.fromTag)) { try words(call) }
        call[.callID] = ""
        #expect(throws: CallFailure.missing(.callID)) { try words(call) }
    }

    @Test(arguments: [("1", "z9hG4bK1", "z9hG4bK1"), ("2", "z9hG4bK2", "z9hG4bK2"), ("3", "z9hG4bK1", "z9hG4bK2")])
    func aBranchJoinsTheCallID(_ flag: String, _ ofRequest: String, _ ofReply: String) throws {
        #expect(try words(FakeCall(), flag)[0] == "call-1@example.org;\(ofRequest)")
        #expect(try words(.ok(), flag)[0] == "call-1@example.org;\(ofReply)")
    }

    @Test func aBranchThatIsNotThereIsAFault() {
        for (flag, field) in [("1", MessageField.via1Branch), ("2", .via2Branch), ("3", .via1Branch)] {
            let call = FakeCall()
            call[field] = ""
            #expect(throws: CallFailure.missing(.branch)) { try words(call, flag) }
            // Nobody asked for it.
            #expect(throws: Never.self) { try words(call) }
        }
        let reply = FakeCall.ok()
        reply[.via2Branch] = ""
        #expect(throws: CallFailure.missing(.branch)) { try words(reply, "3") }
    }

    @Test func theExtraIDJoinsTheCallIDWhereItIsConfigured() throws {
        let call = FakeCall()
        #expect(try words(call, "b")[0] == "call-1@example.org")
        call.variables[.extraID] = Array("leg-b".utf8)
        #expect(try words(call, "b")[0] == "call-1@example.org;leg-b")
        #expect(try words(call)[0] == "call-1@example.org")
        call.variables[.extraID] = .some(nil)
        #expect(try words(call, "b")[0] == "call-1@example.org;<null>")
    }

    @Test(arguments: ["b1", "1b", "bb1"])
    func theBranchWinsOverTheExtraID(_ text: String) throws {
        let call = FakeCall()
        call.variables[.extraID] = Array("leg-b".utf8)
        #expect(try words(call, text)[0] == "call-1@example.org;z9hG4bK1")
    }

    /// The memory is used again: nothing of the last call is left in the next.
    @Test func theLastCallIsForgotten() throws {
        var identity = CallIdentity()
        try identity.read(FakeCall(toTag: "a-long-to-tag"), try flags("1"))
        try identity.read(FakeCall(), CallFlags())
        #expect(identity.toTag.isEmpty)
        #expect(identity.callID == identity.bareCallID)
        #expect(String(decoding: identity.text, as: UTF8.self) == "call-1@example.orgft")
    }

    @Test(arguments: [
        ("", MessageField.callID, WireWord.callID), ("", .fromTag, .fromTag), ("", .toTag, .toTag),
        ("1", .via1Branch, .branch), ("2", .via2Branch, .branch), ("3", .via1Branch, .branch),
    ])
    func aByteThatWouldEndTheWordIsAFault(_ flag: String, _ field: MessageField, _ word: WireWord) {
        for byte in UInt8.min...UInt8.max {
            for text in [[byte], Array("a".utf8) + [byte] + Array("b".utf8), Array("ab".utf8) + [byte]] {
                let call = FakeCall(toTag: "tt")
                call.fields[field] = text
                if byte <= 0x20 || byte == 0x7F {
                    #expect(throws: CallFailure.unfit(word), "\(byte)") { try words(call, flag) }
                } else {
                    #expect(throws: Never.self, "\(byte)") { try words(call, flag) }
                }
            }
        }
    }

    @Test(arguments: ["leg b", "leg\u{0}b", "leg\nb", "\t", " ", "b\u{7F}"])
    func anExtraIDThatIsNoWordIsAFault(_ value: String) {
        let call = FakeCall()
        call.variables[.extraID] = Array(value.utf8)
        #expect(throws: CallFailure.unfit(.extraID)) { try words(call, "b") }
        #expect(throws: Never.self) { try words(call) }
    }
}
