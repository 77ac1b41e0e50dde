// SPDX-License-Identifier: GPL-2.0-or-later
// A call through a proxy at which its callee has registered.

import TestSupport

/// A call whose callee has registered, as phones do; requests within it take the route that was recorded.
struct ProxiedCall {
    let call: Call
    /// What the caller dials.
    private let address: String
    private var route: String?

    /// `contact`: what the callee registers in the place of its own address, as a phone behind a NAT does.
    init(_ kamailio: Kamailio, contact: String? = nil) throws {
        call = try kamailio.call()
        address = "sip:bob@\(kamailio.endpoint())"
        var register = call.request("REGISTER", from: .callee, inDialog: false)
        register.startLine = "REGISTER sip:\(kamailio.endpoint()) SIP/2.0"
        register["To"] = "<\(call.callee.uri)>"
        if let contact { register["Contact"] = "<\(contact)>" }
        call.send(register, from: .callee)
        guard call.callee.receive(where: { $0.status == 200 && $0.method == "REGISTER" }) != nil else {
            throw HarnessError("the callee could not register:\n\(kamailio.log.suffix(2000))")
        }
    }

    /// Sends the INVITE and returns what the callee got.
    mutating func invite(sdp: String?) throws -> SIPMessage {
        var request = call.request("INVITE", sdp: sdp)
        request.startLine = "INVITE \(address) SIP/2.0"
        let received = try call.deliver(request)
        route = received["Record-Route"]
        return received
    }

    /// Sends a request within the dialog and returns what the other side got.
    func deliver(_ method: String, sdp: String? = nil, from side: Call.Side = .caller) throws -> SIPMessage {
        var request = call.request(method, from: side, sdp: sdp, inDialog: true)
        if let route { request.headers.insert(("Route", route), at: 1) }
        return try call.deliver(request, from: side)
    }

    func hangUp() throws {
        let bye = try deliver("BYE")
        try call.reply(to: bye)
    }
}
