// SPDX-License-Identifier: GPL-2.0-or-later
// rtpproxy_manage: what to do with a message, decided from its facts alone.

/// What manage becomes.
enum ManageAction: Equatable {
    /// Returns 1 and touches nothing.
    case nothing
    case offer
    case answer
    case delete
    /// -1
    case refuse
}

extension MessageFacts {
    /// The table of the manual, read top down. `isWithinDialog` and `transaction` are asked only where they matter.
    func manageAction(
        hasSDP: Bool, isWithinDialog: () -> Bool, transaction: () -> TransactionState
    ) -> ManageAction {
        if route == .branchFailure { return .nothing }
        switch method {
        case .bye: return .delete
        // What ends a re-INVITE or another request of a dialog leaves the call as it was before (RFC 3261 section 14.1,
        // RFC 3311 section 5.2).
        case .cancel: return isWithinDialog() ? .refuse : .delete
        case .invite where hasFailed: return isWithinDialog() ? .refuse : .delete
        default: break
        }
        if route == .failure { return isWithinDialog() ? .refuse : .delete }
        return isRequest ? managedRequest(hasSDP: hasSDP) : managedReply(hasSDP: hasSDP, transaction)
    }

    /// Whether this is a request that has been refused, or the refusal.
    private var hasFailed: Bool { route == .failure || !isRequest && status >= 300 }

    private func managedRequest(hasSDP: Bool) -> ManageAction {
        switch method {
        case .invite, .update, .prack: hasSDP ? .offer : .refuse
        case .ack: hasSDP ? .answer : .refuse
        case .bye, .cancel, .other: .refuse
        }
    }

    private func managedReply(hasSDP: Bool, _ transaction: () -> TransactionState) -> ManageAction {
        switch method {
        case .invite:
            guard hasSDP else { return .refuse }
            return transaction() == .notOffered ? .offer : .answer
        case .update, .prack:
            // A refused UPDATE or PRACK leaves the call as it is.
            return hasSDP && status < 300 ? .answer : .refuse
        case .ack, .bye, .cancel, .other:
            return .refuse
        }
    }
}
