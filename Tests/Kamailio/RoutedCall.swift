// SPDX-License-Identifier: GPL-2.0-or-later
// A call through a proxy that records its route, as the tests of the examples make it.

import Foundation
import TestSupport
import Testing

/// A call whose requests take the route that was recorded.
struct RoutedCall {
    let call: Call
    private let routes: [String]
    let invite: SIPMessage
    let answer: SIPMessage

    /// INVITE, 200 and ACK; with a late offer the first has no description and the last one has.
    init(_ call: Call, late: Bool = false, sdp: String = SDPText.audio(), answer answered: String? = nil) throws {
        self.call = call
        invite = try call.invite(sdp: late ? nil : sdp)
        answer = try call.reply(to: invite, sdp: answered ?? SDPText.audio())
        routes = invite.all("Record-Route").flatMap { $0.components(separatedBy: ",") }
        if !late { _ = try deliver("ACK") }
    }

    /// Sends a request within the dialog and returns what the other side got.
    @discardableResult
    func deliver(_ method: String, sdp: String? = nil, from side: Call.Side = .caller) throws -> SIPMessage {
        var request = call.request(method, from: side, sdp: sdp, inDialog: true)
        for route in side == .caller ? routes : routes.reversed() { request.headers.insert(("Route", route), at: 1) }
        return try call.deliver(request, from: side)
    }

    func hangUp() throws {
        try call.reply(to: deliver("BYE"))
    }
}
