// SPDX-License-Identifier: GPL-2.0-or-later
// A phone that sends its messages where Via, Record-Route, Route and Contact say, as RFC 3261 and RFC 5627 have it.

import Foundation

/// A user agent that knows the proxy as any phone does: by the address it registers with, and by what messages say.
public final class Phone {
    /// The GRUU that a phone takes as its Contact once the registrar has given it one.
    public enum GRUU: CaseIterable, Sendable { case none, `public`, temporary }

    public let agent: UserAgent
    /// Its address of record.
    public let address: String
    /// The URI in its Contact.
    public private(set) var contact: String
    private let kind: GRUU
    private let registrar: Endpoint

    /// At `place`, registering with `registrar`, whose host is the domain of its address. `listener` is told of each
    /// message sent and received.
    public init(
        _ name: String, at place: String, registrar: Endpoint, gruu: GRUU = .none,
        listener: (@Sendable (SIPMessage, _ sent: Bool) -> Void)? = nil
    ) throws {
        agent = try UserAgent(name, address: place, listener: listener)
        address = "sip:\(name)@\(registrar.uriHost)"
        contact = agent.uri
        kind = gruu
        self.registrar = registrar
    }

    /// Registers, and takes the GRUU that it is given.
    public func register() throws {
        let instance = "<urn:uuid:\(UUID().uuidString.lowercased())>"
        var dialog = Dialog(from: address, to: address, target: "sip:\(registrar)")
        var request = dialog.request("REGISTER", of: self)
        request["Contact"] = "<\(agent.uri)>;+sip.instance=\"\(instance)\""
        if kind != .none { request["Supported"] = "gruu" }
        try send(request)
        guard let reply = agent.receive(where: { $0.status >= 200 && $0.method == "REGISTER" }), reply.status == 200
        else { throw HarnessError("\(address) could not register") }
        guard kind != .none else { return }
        let name = kind == .public ? "pub-gruu=\"" : "temp-gruu=\""
        let given = reply.all("Contact").flatMap { $0.components(separatedBy: name).dropFirst() }.last
        guard let gruu = given?.split(separator: "\"").first else { throw HarnessError("no GRUU in \(reply)") }
        contact = String(gruu)
    }

    /// Sends a request to its first Route, else to its own URI.
    public func send(_ request: SIPMessage) throws {
        let next = request["Route"] ?? request.startLine.split(separator: " ").dropFirst().first.map(String.init) ?? ""
        agent.send(request, to: try Self.place(of: next))
    }

    /// Takes an INVITE back that was sent: RFC 3261 section 9.1.
    public func cancel(_ invite: SIPMessage) throws {
        var request = SIPMessage(invite.startLine.replacingOccurrences(of: "INVITE", with: "CANCEL"))
        request.headers = invite.headers.filter { ["Via", "From", "To", "Call-ID", "Max-Forwards"].contains($0.name) }
        request["CSeq"] = "\(invite.sequence) CANCEL"
        try send(request)
    }

    /// Acknowledges a refusal of an INVITE that was sent: RFC 3261 section 17.1.1.3.
    public func acknowledge(_ refusal: SIPMessage, of invite: SIPMessage) throws {
        var request = SIPMessage(invite.startLine.replacingOccurrences(of: "INVITE", with: "ACK"))
        request.headers = invite.headers.filter { ["Via", "From", "Call-ID", "Max-Forwards"].contains($0.name) }
        request["To"] = refusal["To"]
        request["CSeq"] = "\(invite.sequence) ACK"
        try send(request)
    }

    /// Sends a response to where the topmost Via says, as its sender wrote it: with `received` and `rport` of this
    /// phone only where they were asked for.
    public func send(_ response: SIPMessage, to request: SIPMessage) throws {
        guard let via = request["Via"]?.split(separator: ",").first.map(String.init),
            let sent = via.split(separator: " ").dropFirst().first
        else { throw HarnessError("no Via in \(request)") }
        let uri = "sip:" + sent.prefix { $0 != ";" }
        agent.send(response, to: try Self.place(of: uri))
    }

    /// Milliseconds that a browser may take on a busy machine.
    private static let patience = 20_000

    /// The next request of this method; it must come within the time.
    public func expect(_ method: String, of call: String) throws -> SIPMessage {
        guard
            let got = agent.receive(Self.patience, where: { $0.isRequest && $0.method == method && $0.callID == call })
        else {
            throw HarnessError("no \(method) came to \(address)")
        }
        return got
    }

    /// The final response to a request of this method.
    public func expectFinal(_ method: String, of call: String) throws -> SIPMessage {
        guard
            let got = agent.receive(
                Self.patience, where: { $0.status >= 200 && $0.method == method && $0.callID == call })
        else {
            throw HarnessError("no response to \(method) came to \(address)")
        }
        return got
    }

    /// Host and port of the URI in a text.
    static func place(of text: String) throws -> Endpoint {
        var rest = text[...]
        if let start = rest.range(of: "sip:") { rest = rest[start.upperBound...] }
        rest = rest.prefix { !";>,".contains($0) }
        if let at = rest.lastIndex(of: "@") { rest = rest[rest.index(after: at)...] }
        var host = rest
        var port = Substring("5060")
        if let bracket = rest.lastIndex(of: "]") {
            host = rest[..<bracket].dropFirst()
            port = rest[rest.index(after: bracket)...].hasPrefix(":") ? rest[bracket...].dropFirst(2) : port
        } else if let colon = rest.lastIndex(of: ":") {
            host = rest[..<colon]
            port = rest[rest.index(after: colon)...]
        }
        guard !host.isEmpty, let number = UInt16(port) else { throw HarnessError("no address in \(text)") }
        return Endpoint(String(host), number)
    }

    /// One side of a dialog, RFC 3261 section 12: its requests have the other side's Contact as their URI, and the
    /// route that was recorded.
    public struct Dialog {
        public let callID: String
        private let local: String
        private var remote: String
        private var target: String
        private var routes: [String] = []
        private var sequence = 0

        /// Before the first request.
        public init(from address: String, to other: String, target: String? = nil) {
            callID = UUID().uuidString
            local = "<\(address)>;tag=\(UUID().uuidString.prefix(8))"
            remote = "<\(other)>"
            self.target = target ?? other
        }

        /// Of the called side: of the INVITE it has got and the response it gave.
        public init(answering invite: SIPMessage, with response: SIPMessage) {
            callID = invite.callID
            local = response["To"] ?? ""
            remote = invite["From"] ?? ""
            target = Self.uri(invite["Contact"] ?? "")
            routes = Self.list(invite, "Record-Route")
        }

        /// Takes the response to the INVITE.
        public mutating func take(_ response: SIPMessage) {
            remote = response["To"] ?? ""
            target = Self.uri(response["Contact"] ?? "")
            routes = Self.list(response, "Record-Route").reversed()
        }

        /// The next request, for `phone` to send.
        public mutating func request(_ method: String, of phone: Phone, sdp: String? = nil) -> SIPMessage {
            if method != "ACK" { sequence += 1 }
            var message = SIPMessage(
                "\(method) \(target) SIP/2.0",
                headers: [("Via", "SIP/2.0/UDP \(phone.agent.endpoint);rport;branch=z9hG4bK-\(UUID().uuidString)")]
                    + routes.map { ("Route", $0) } + [
                        ("From", local), ("To", remote), ("Call-ID", callID), ("CSeq", "\(sequence) \(method)"),
                        ("Max-Forwards", "70"), ("Contact", "<\(phone.contact)>"),
                    ])
            if let sdp { message.describe(sdp) }
            return message
        }

        private static func uri(_ contact: String) -> String {
            guard let start = contact.firstIndex(of: "<") else { return contact }
            return String(contact[contact.index(after: start)...].prefix { $0 != ">" })
        }

        private static func list(_ message: SIPMessage, _ name: String) -> [String] {
            message.all(name).flatMap { $0.split(separator: ",") }.map { $0.trimmingCharacters(in: .whitespaces) }
        }
    }

    /// A response of this phone to a request.
    public func response(_ status: Int, to request: SIPMessage, sdp: String? = nil) -> SIPMessage {
        var message = SIPMessage("SIP/2.0 \(status) \(status < 300 ? "OK" : "No")")
        for name in ["Via", "Record-Route", "From", "To", "Call-ID", "CSeq"] {
            message.headers += request.all(name).map { (name, $0) }
        }
        if request.toTag == nil, let to = request["To"] { message["To"] = "\(to);tag=\(agent.name)-tag" }
        message["Contact"] = "<\(contact)>"
        if let sdp { message.describe(sdp) }
        return message
    }
}

extension SIPMessage {
    /// Puts a description into the body.
    mutating func describe(_ sdp: String) {
        self["Content-Type"] = "application/sdp"
        body = Array(sdp.utf8)
    }
}
