// SPDX-License-Identifier: GPL-2.0-or-later
// The SIP messages of a step.

import Foundation
import TestSupport

/// Builds what a step sends. Nothing in it is random, so that both modules get the same.
enum Messages {
    static let reasons = [100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 486: "Busy Here"]

    /// The message of a step, a request or a reply.
    static func message(
        _ step: Step, callID: String, index: Int, bench: Bench, from caller: UserAgent, to callee: UserAgent
    ) -> SIPMessage {
        let to = "<sip:bob@example.com>" + (step.toTag ? ";tag=\(step.tag)" : "")
        let branch = "z9hG4bK-one-\(callID.prefix { $0.isLetter || $0.isNumber })-\(index)"
        var headers: [(name: String, value: String)] = []
        let start: String
        if step.route == .reply {
            start = "SIP/2.0 \(step.status) \(reasons[step.status] ?? "Whatever")"
            let own = bench.kamailio.endpoint(step.family)
            headers.append(("Via", "SIP/2.0/UDP \(own);branch=z9hG4bK-own"))
            headers.append(("Via", "SIP/2.0/UDP \(callee.endpoint);branch=z9hG4bK-two"))
        } else {
            start = "\(step.method) \(callee.uri) SIP/2.0"
            headers.append(("Via", "SIP/2.0/UDP \(caller.endpoint);branch=\(branch)"))
            headers.append(("Via", "SIP/2.0/UDP 192.0.2.99;branch=z9hG4bK-below"))
        }
        headers += [
            ("From", "<sip:alice@example.com>;tag=from-tag"), ("To", to), ("Call-ID", callID),
            ("CSeq", "\(index + 1) \(step.method)"), ("Max-Forwards", "70"), ("Contact", "<sip:alice@192.0.2.10>"),
        ]
        var message = SIPMessage(start, headers: headers)
        message["X-Observer"] = "sip:\(bench.observer.endpoint);transport=udp"
        let isTransaction = step.route != .request && step.route != .reply
        if isTransaction { message["X-Mode"] = "transaction" }
        add(step.calls, route: step.route, to: &message)
        if let set = step.set { message["X-Set"] = String(set) }
        if let set = step.setText { message["X-Set-Text"] = set }
        for (name, value) in step.headers {
            if name == "Via" && value.isEmpty {
                message.headers.removeAll { $0.name == "Via" && $0.value.contains("192.0.2.99") }
            } else {
                message[name] = value
            }
        }
        attach(step.body, to: &message)
        return message
    }

    /// The reply to the request that came out of a transaction.
    static func reply(_ step: Step, to request: SIPMessage, bench: Bench) -> SIPMessage {
        var message = SIPMessage("SIP/2.0 \(step.status) \(reasons[step.status] ?? "Whatever")")
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            message.headers += request.all(name).map { (name, $0) }
        }
        if request.toTag == nil, let to = request["To"] { message["To"] = "\(to);tag=to-tag" }
        message["X-Observer"] = "sip:\(bench.observer.endpoint);transport=udp"
        message["X-Mode"] = "transaction"
        add(step.replyCalls, route: .request, to: &message)
        attach(step.replyBody, to: &message)
        return message
    }

    /// The ACK to a final reply other than 2xx.
    static func acknowledgement(of reply: SIPMessage, for request: SIPMessage) -> SIPMessage {
        var message = SIPMessage(request.startLine.replacing("INVITE", with: "ACK"))
        message.headers = [("Via", request["Via"] ?? "")]
        for name in ["From", "To", "Call-ID"] { message[name] = reply[name] }
        message["CSeq"] = "\(reply.sequence) ACK"
        message["X-Mode"] = "transaction"
        return message
    }

    private static func add(_ calls: [Call], route: Step.Route, to message: inout SIPMessage) {
        let first = [Step.Route.branch: "X-Branch-Do", .failure: "X-Failure-Do", .branchFailure: "X-BranchFailure-Do"]
        for (index, call) in calls.enumerated() {
            message[index == 0 ? first[route] ?? "X-Do-1" : "X-Do-\(index + 1)"] = call.function
            if let flags = call.flags { message["X-Flags-\(index + 1)"] = flags }
            if let ip = call.ip { message["X-IP-\(index + 1)"] = ip }
        }
    }

    private static func attach(_ body: Body?, to message: inout SIPMessage) {
        guard let body, body.name != "none" else { return }
        if let type = body.type { message["Content-Type"] = type }
        message.body = body.bytes
        if let length = body.length {
            message.writesContentLength = false
            message["Content-Length"] = length
        }
    }
}
