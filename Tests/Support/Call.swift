// SPDX-License-Identifier: GPL-2.0-or-later
// A call between two user agents through Kamailio, one message at a time.

import Foundation

/// What the stage's script shall do with the message that carries it (Tests/Fixtures/kamailio/stage.cfg).
public struct Run: Sendable {
    var headers: [(name: String, value: String)] = []

    /// Runs a function of the module: `offer`, `answer`, `manage`, `destroy`, `unforce`, `stream2uac`, `stream2uas`,
    /// `stop2uac`, `stop2uas`, `record`, `stat`. Without `flags` and `ip` it gets no parameter. `route` says where:
    /// nil where the message first comes in, `Branch`, `Failure` or `BranchFailure` in the routes of that name.
    public init(
        _ function: String, _ flags: String? = nil, ip: String? = nil, set: Int? = nil, setText: String? = nil,
        extra: String? = nil, priority: Int? = nil, tag: String? = nil, prompt: String? = nil,
        count: Int? = nil, route: String? = nil
    ) {
        headers.append((route.map { "X-\($0)-Do" } ?? "X-Do", function))
        if let flags { headers.append(("X-Flags", flags)) }
        if let ip { headers.append(("X-IP", ip)) }
        if let set { headers.append(("X-Set", String(set))) }
        if let setText { headers.append(("X-Set-Text", setText)) }
        if let extra { headers.append(("X-Extra", extra)) }
        if let priority { headers.append(("X-Priority", String(priority))) }
        if let tag { headers.append(("X-Timeout-Tag", tag)) }
        if let prompt { headers.append(("X-Prompt", prompt)) }
        if let count { headers.append(("X-Count", String(count))) }
    }

    public static func offer(_ flags: String? = nil, ip: String? = nil, set: Int? = nil) -> Run {
        Run("offer", flags, ip: ip, set: set)
    }
    public static func answer(_ flags: String? = nil, ip: String? = nil, set: Int? = nil) -> Run {
        Run("answer", flags, ip: ip, set: set)
    }
    public static func manage(_ flags: String? = nil, ip: String? = nil, set: Int? = nil) -> Run {
        Run("manage", flags, ip: ip, set: set)
    }
    public static func destroy(_ flags: String? = nil, set: Int? = nil) -> Run {
        Run("destroy", flags, set: set)
    }

    /// Runs a second function, with the same parameters, on the same message.
    public func then(_ function: String) -> Run {
        var copy = self
        copy.headers.append(("X-Then", function))
        return copy
    }

    /// Adds a header that the stage's script looks at, such as `X-Fork`.
    public func with(_ name: String, _ value: String) -> Run {
        var copy = self
        copy.headers.append((name, value))
        return copy
    }

    /// Both: what this says, and what `other` says for another route.
    public func and(_ other: Run) -> Run {
        var copy = self
        copy.headers += other.headers
        return copy
    }
}

/// Two user agents, a Call-ID of its own, tags, and sequence numbers.
public final class Call {
    public enum Side { case caller, callee }

    public let caller: UserAgent
    public let callee: UserAgent
    public var id: String
    public var fromTag: String
    /// The callee's tag, put into its responses.
    public var toTag: String
    private let kamailio: (Family) -> Endpoint
    private var sequence = 0

    /// `kamailio` gives the address on which Kamailio listens, for each family.
    public init(
        through kamailio: @escaping (Family) -> Endpoint, caller: UserAgent? = nil, callee: UserAgent? = nil,
        family: Family = .ipv4, calleeFamily: Family? = nil
    ) throws {
        self.kamailio = kamailio
        self.caller = try caller ?? UserAgent("alice", family)
        self.callee = try callee ?? UserAgent("bob", calleeFamily ?? family)
        id = UUID().uuidString
        fromTag = "from-" + String(UInt32.random(in: .min ... .max), radix: 16)
        toTag = "to-" + String(UInt32.random(in: .min ... .max), radix: 16)
    }

    /// Takes a Call-ID for which the default choice falls on place `index` of relays with these weights.
    public func choose(_ index: Int, of weights: [Int]) {
        repeat { id = UUID().uuidString } while Call.choice(id, of: weights) != index
    }

    /// The place on which the default choice falls: the low 8 bits of the sum of the Call-ID's bytes, modulo the sum of
    /// the weights, walked in order.
    public static func choice(_ id: String, of weights: [Int]) -> Int? {
        var rest = id.utf8.reduce(0) { ($0 + Int($1)) & 0xFF } % max(1, weights.reduce(0, +))
        for (index, weight) in weights.enumerated() {
            if rest < weight { return index }
            rest -= weight
        }
        return nil
    }

    private func agent(_ side: Side) -> UserAgent { side == .caller ? caller : callee }
    private func other(_ side: Side) -> UserAgent { side == .caller ? callee : caller }

    /// Builds a request. Outside INVITE and CANCEL it is one within the dialog, with the other side's tag;
    /// `inDialog` decides otherwise. ACK and CANCEL keep the sequence number of the last request.
    public func request(
        _ method: String, from side: Side = .caller, sdp: String? = nil, run: Run? = nil, inDialog: Bool? = nil
    ) -> SIPMessage {
        if method != "ACK" && method != "CANCEL" { sequence += 1 }
        let mine = agent(side)
        let peer = other(side)
        let tags = side == .caller ? (fromTag, toTag) : (toTag, fromTag)
        let tagged = inDialog ?? (method != "INVITE" && method != "CANCEL")
        var message = SIPMessage(
            "\(method) \(peer.uri) SIP/2.0",
            headers: [
                ("Via", "SIP/2.0/UDP \(mine.endpoint);rport;branch=z9hG4bK-\(UUID().uuidString)"),
                ("From", "<\(mine.uri)>;tag=\(tags.0)"),
                ("To", "<\(peer.uri)>" + (tagged ? ";tag=\(tags.1)" : "")),
                ("Call-ID", id),
                ("CSeq", "\(sequence) \(method)"),
                ("Max-Forwards", "70"),
                ("Contact", "<\(mine.uri)>"),
            ])
        attach(sdp, run, to: &message)
        return message
    }

    /// Builds a response to a request as the callee (or caller) received it.
    public func response(
        _ status: Int, to request: SIPMessage, sdp: String? = nil, run: Run? = nil, from side: Side = .callee
    ) -> SIPMessage {
        let reasons = [100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 486: "Busy Here"]
        var message = SIPMessage("SIP/2.0 \(status) \(reasons[status] ?? "Whatever")")
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            message.headers += request.all(name).map { (name, $0) }
        }
        if request.toTag == nil, let to = request["To"], status > 100 { message["To"] = "\(to);tag=\(toTag)" }
        message["Contact"] = "<\(agent(side).uri)>"
        attach(sdp, run, to: &message)
        return message
    }

    private func attach(_ sdp: String?, _ run: Run?, to message: inout SIPMessage) {
        if let run { message.headers += run.headers }
        if let sdp {
            message["Content-Type"] = "application/sdp"
            message.body = Array(sdp.utf8)
        }
    }

    /// Sends a message to Kamailio without waiting for anything.
    public func send(_ message: SIPMessage, from side: Side = .caller) {
        let mine = agent(side)
        mine.send(message, to: kamailio(mine.endpoint.family))
    }

    /// Sends a request through Kamailio and returns what the other side got. A final failure response that comes back
    /// instead is an error.
    @discardableResult
    public func deliver(_ request: SIPMessage, from side: Side = .caller) throws -> SIPMessage {
        let fits = { (m: SIPMessage) in
            m.isRequest && m.method == request.method && m.sequence == request.sequence && m.callID == request.callID
        }
        if let got = transfer(request, from: side, where: fits) { return got }
        let back = agent(side).receive(0) { !$0.isRequest && $0.status > 100 }
        throw HarnessError("\(request.method) did not arrive; answered \(back?.startLine ?? "nothing")")
    }

    /// Sends a message and waits for the one that fits at the other side. What Kamailio's socket had no room for is sent
    /// again, as any user agent would; nothing else is, for that would be another message to a script without tm.
    private func transfer(
        _ message: SIPMessage, from side: Side, where fits: (SIPMessage) -> Bool
    ) -> SIPMessage? {
        let port = kamailio(agent(side).endpoint.family).port
        for _ in 0..<4 {
            let dropped = DatagramQueue(port: port).dropped
            send(message, from: side)
            if let got = other(side).receive(where: fits) { return got }
            if DatagramQueue(port: port).dropped == dropped { return nil }
        }
        return nil
    }

    /// Sends a response through Kamailio and returns what the other side got.
    @discardableResult
    public func deliver(response: SIPMessage, from side: Side = .callee) throws -> SIPMessage {
        let fits = { (m: SIPMessage) in
            m.status == response.status && m.sequence == response.sequence && m.method == response.method
                && m.callID == response.callID
        }
        guard let got = transfer(response, from: side, where: fits) else {
            throw HarnessError("\(response.startLine) to \(response.method) did not arrive")
        }
        return got
    }

    /// INVITE from the caller; returns what the callee got. With `inDialog` a re-INVITE.
    @discardableResult
    public func invite(
        sdp: String? = SDPText.audio(), run: Run? = nil, from side: Side = .caller, inDialog: Bool = false
    ) throws -> SIPMessage {
        try deliver(request("INVITE", from: side, sdp: sdp, run: run, inDialog: inDialog), from: side)
    }

    /// A response to `request` as it was received; returns what the requester got.
    @discardableResult
    public func reply(
        _ status: Int = 200, to request: SIPMessage, sdp: String? = nil, run: Run? = nil, from side: Side = .callee
    ) throws -> SIPMessage {
        try deliver(response: response(status, to: request, sdp: sdp, run: run, from: side), from: side)
    }

    /// ACK to a 2xx; returns what the other side got.
    @discardableResult
    public func ack(sdp: String? = nil, run: Run? = nil, from side: Side = .caller) throws -> SIPMessage {
        try deliver(request("ACK", from: side, sdp: sdp, run: run), from: side)
    }

    /// BYE; returns what the other side got. It is answered.
    @discardableResult
    public func bye(run: Run? = nil, from side: Side = .caller) throws -> SIPMessage {
        let got = try deliver(request("BYE", from: side, run: run), from: side)
        try reply(to: got, from: side == .caller ? .callee : .caller)
        return got
    }
}
