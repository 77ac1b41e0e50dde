// SPDX-License-Identifier: GPL-2.0-or-later
// A case of the comparison: messages, what the script does with them, and how the relays answer.

import TestSupport

/// A script function with its parameters; without `flags` and `ip` it gets none.
struct Call: Sendable {
    var function: String
    var flags: String?
    var ip: String?

    init(_ function: String, _ flags: String? = nil, ip: String? = nil) {
        self.function = function
        self.flags = flags
        self.ip = ip
    }

    var text: String {
        let parameters = [flags.map { "\"\($0)\"" }, ip.map { "\"\($0)\"" }].compactMap { $0 }
        return "\(function)(\(parameters.joined(separator: ", ")))"
    }
}

/// What happens in one step of a case.
struct Step: Sendable {
    /// Where the functions run.
    enum Route: String, Sendable {
        /// request_route, stateless.
        case request
        /// reply_route, stateless.
        case reply
        /// request_route, and the transaction goes on to a reply.
        case transaction
        case branch, failure, branchFailure
    }

    var route = Route.request
    var method = "INVITE"
    /// The reply's code: of the message itself, or in a transaction of the reply to it.
    var status = 200
    var toTag = false
    var calls: [Call]
    var body: Body? = .audio
    /// In a transaction: what runs on the reply, and the reply's body.
    var replyCalls: [Call] = []
    var replyBody: Body?
    /// Further headers, which the script reads or which replace those of the message.
    var headers: [(name: String, value: String)] = []
    var set: Int?
    var setText: String?
    var family = Family.ipv4
    /// Whether the message comes in where Kamailio advertises another address.
    var advertised = false
    /// An RPC command instead of a message; `@a` stands for the URL of relay a.
    var rpc: [String]?
    /// The To header has this tag instead of the usual one.
    var tag = "to-tag"

    static func rpc(_ words: String...) -> Step {
        Step(calls: [], body: nil, rpc: words)
    }

    /// How the method or status reads in a case's name.
    var subject: String {
        if let rpc { return "rpc \(rpc.joined(separator: " "))" }
        let text = route == .reply ? "\(status) \(method)" : method
        return text + (toTag ? "+tag" : "")
    }
}

/// One case: both modules go through its steps and must come out alike.
struct Case: Sendable {
    var name: String
    var steps: [Step]
    var relay = RelayScript()
    /// What follows the number in the Call-ID.
    var callIDSuffix = "@compare"

    init(_ name: String, _ steps: Step..., relay: RelayScript = RelayScript()) {
        self.name = name
        self.steps = steps
        self.relay = relay
    }

    /// A number made of the name (FNV-1a).
    var number: UInt32 {
        name.utf8.reduce(2_166_136_261) { ($0 ^ UInt32($1)) &* 16_777_619 }
    }

    // What the rules ask.

    var calls: [Call] { steps.flatMap { $0.calls + $0.replyCalls } }
    /// Whether any step runs one of these functions.
    func runs(_ functions: String...) -> Bool { calls.contains { functions.contains($0.function) } }
    /// The flags of all functions together.
    var flags: String { calls.compactMap(\.flags).joined() }
    func hasFlag(_ letter: String) -> Bool { flags.lowercased().contains(letter) }
    /// Whether any message's body is one of these.
    func carries(_ bodies: String...) -> Bool {
        steps.contains { bodies.contains($0.body?.name ?? "") || bodies.contains($0.replyBody?.name ?? "") }
    }
    /// Whether any message's body has the property.
    func carries(_ property: Body.Property) -> Bool {
        steps.contains { $0.body?.properties.contains(property) == true }
            || steps.contains { $0.replyBody?.properties.contains(property) == true }
    }
    /// Whether any message puts a stream on hold by its address.
    var carriesHold: Bool { steps.contains { $0.body?.name.hasPrefix("hold") == true } }
    func named(_ prefix: String) -> Bool { name.hasPrefix(prefix) }
}
