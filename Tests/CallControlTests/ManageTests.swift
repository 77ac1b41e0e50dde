// SPDX-License-Identifier: GPL-2.0-or-later
// rtpproxy_manage: the table of what it becomes, row by row, and that it becomes just that.

import Testing

@testable import CallControl

@Suite struct ManageTests {
    private static let methods: [SIPMethod] = [.invite, .ack, .bye, .cancel, .update, .prack, .other]
    /// 0: a request.
    private static let statuses = [0, 100, 180, 183, 200, 202, 299, 300, 302, 404, 487, 500, 603, 699]
    private static let transactions: [TransactionState] = [.none, .offered, .notOffered]

    private func action(
        _ method: SIPMethod, _ status: Int, hasSDP: Bool, route: RouteKind = .other,
        isWithinDialog: Bool = false, transaction: TransactionState = .none
    ) -> ManageAction {
        var facts = MessageFacts()
        facts.isRequest = status == 0
        facts.method = method
        facts.status = status
        facts.route = route
        return facts.manageAction(
            hasSDP: hasSDP, isWithinDialog: { isWithinDialog }, transaction: { transaction })
    }

    /// Every combination against the table: each case is one of its rows.
    @Test(arguments: methods)
    func everyMessageIsARowOfTheTable(_ method: SIPMethod) {
        for status in Self.statuses {
            for hasSDP in [true, false] {
                for transaction in Self.transactions {
                    let expected: ManageAction =
                        switch (method, status) {
                        case (.bye, _), (.cancel, _): .delete
                        case (.invite, 0), (.update, 0), (.prack, 0): hasSDP ? .offer : .refuse
                        case (.ack, 0): hasSDP ? .answer : .refuse
                        case (.invite, 300...): .delete
                        case (.update, 300...), (.prack, 300...): .refuse
                        case (.update, _), (.prack, _): hasSDP ? .answer : .refuse
                        case (.invite, _): hasSDP ? (transaction == .notOffered ? .offer : .answer) : .refuse
                        default: .refuse
                        }
                    let found = action(method, status, hasSDP: hasSDP, transaction: transaction)
                    #expect(found == expected, "\(method) \(status) \(hasSDP) \(transaction)")
                    #expect(action(method, status, hasSDP: hasSDP, route: .failure) == .delete)
                    #expect(action(method, status, hasSDP: hasSDP, route: .branchFailure) == .nothing)
                }
            }
        }
    }

    /// What ends a re-INVITE or another request of the dialog leaves the call alone.
    @Test(arguments: methods)
    func withinADialogOnlyTheByeDeletes(_ method: SIPMethod) {
        for status in Self.statuses {
            for hasSDP in [true, false] {
                let ends = method == .cancel || method == .invite && status >= 300
                let expected = ends ? .refuse : action(method, status, hasSDP: hasSDP)
                #expect(action(method, status, hasSDP: hasSDP, isWithinDialog: true) == expected)
                let failed = action(method, status, hasSDP: hasSDP, route: .failure, isWithinDialog: true)
                #expect(failed == (method == .bye ? .delete : .refuse))
            }
        }
    }

    /// Asking tm may cost a look-up: only a reply to INVITE with SDP is worth one.
    @Test func theTransactionIsAskedOnlyWhereItMatters() {
        for method in Self.methods {
            for status in Self.statuses {
                for hasSDP in [true, false] {
                    var facts = MessageFacts()
                    facts.isRequest = status == 0
                    facts.method = method
                    facts.status = status
                    var asked = 0
                    _ = facts.manageAction(
                        hasSDP: hasSDP, isWithinDialog: { false },
                        transaction: {
                            asked += 1
                            return .offered
                        })
                    #expect(asked == (method == .invite && 100..<300 ~= status && hasSDP ? 1 : 0))
                }
            }
        }
    }

    // MARK: - Through the function

    /// The letters of the commands that one message led to.
    private func verbs(
        _ call: FakeCall, expecting code: ReturnCode, _ flags: String = ""
    ) throws -> String {
        let responder = try Responder()
        let worker = try SIPWorker(responder)
        #expect(worker.manage(call, flags) == code)
        return responder.commands.compactMap { $0.first.map { String($0) } }.joined()
    }

    @Test func anOfferOfAnInviteMarksItsTransaction() throws {
        let call = FakeCall(.invite)
        #expect(try verbs(call, expecting: .done) == "U")
        #expect(call.marks == 1)
        #expect(call.body.contains("m=audio 35002 "))
    }

    @Test(arguments: [SIPMethod.update, .prack])
    func anOfferOfAnotherMethodMarksNothing(_ method: SIPMethod) throws {
        let call = FakeCall(method, toTag: "tt")
        #expect(try verbs(call, expecting: .done) == "U")
        #expect(call.marks == 0)
    }

    @Test func aRequestWithoutSDPIsNothingToManage() throws {
        for method in Self.methods where method != .bye && method != .cancel {
            let call = FakeCall(method, toTag: "tt", body: nil)
            #expect(try verbs(call, expecting: .error) == "")
            #expect(call.marks == 0 && call.errors.isEmpty)
        }
    }

    @Test func anAckWithSDPIsAnAnswer() throws {
        #expect(try verbs(FakeCall(.ack, toTag: "tt"), expecting: .done) == "L")
    }

    @Test func aReplyIsTheAnswerToAnOfferOrTheOfferItself() throws {
        for (transaction, verb) in [(TransactionState.none, "L"), (.offered, "L"), (.notOffered, "U")] {
            let call = FakeCall.ok()
            call.transaction = transaction
            #expect(try verbs(call, expecting: .done) == verb)
            #expect(call.marks == 0)
        }
    }

    @Test func whateverEndsACallDeletesIt() throws {
        let failed = FakeCall(.invite, body: nil)
        failed.facts.route = .failure
        for call in [
            FakeCall(.bye, toTag: "tt", body: nil), FakeCall(.cancel, body: nil), failed,
            FakeCall.ok(nil, method: .bye),
            FakeCall.ok(nil, status: 486), FakeCall.ok(Body.audio, status: 603), FakeCall(.bye, toTag: "tt"),
        ] {
            let before = call.body
            #expect(try verbs(call, expecting: .done) == "D")
            #expect(call.body == before)
        }
    }

    @Test func aRefusedUpdateLeavesTheCallAlone() throws {
        for method in [SIPMethod.update, .prack] {
            #expect(try verbs(.ok(Body.audio, method: method, status: 488), expecting: .error) == "")
        }
    }

    @Test func aBranchThatFailsIsLeftToTheOthers() throws {
        let call = FakeCall(.invite)
        call.facts.route = .branchFailure
        #expect(try verbs(call, expecting: .done) == "")
        #expect(call.applications == 0)
    }

    /// Flags go to whatever it becomes; a delete skips those that mean nothing to it.
    @Test func theFlagsGoAlong() throws {
        let responder = try Responder()
        let worker = try SIPWorker(responder)
        #expect(worker.manage(FakeCall(.invite), "1ie") == .done)
        #expect(worker.manage(FakeCall(.bye, toTag: "tt", body: nil), "1iez20t") == .done)
        #expect(
            responder.commands == [
                "UIE call-1@example.org;z9hG4bK1 198.51.100.5 5004 ft;1", "D call-1@example.org;z9hG4bK1 ft",
            ])
        #expect(worker.manage(FakeCall(.bye, body: nil), "q") == .error)
        #expect(responder.commands.count == 2)
    }

    /// A body that is no session description is as good as none.
    @Test func aBodyOfAnotherTypeIsNoSDP() throws {
        let call = FakeCall(.invite)
        call[.contentType] = "text/plain"
        #expect(try verbs(call, expecting: .error) == "")
        let short = FakeCall(.invite)
        short.facts.contentLength = 10_000
        #expect(try verbs(short, expecting: .error) == "")
    }
}
