// SPDX-License-Identifier: GPL-2.0-or-later
// The configurations of the documentation as they stand, with phones in another network that obey what messages say.

import Foundation
import TestSupport
import Testing

/// A network where the addresses of the examples are: Kamailio's at the near end, phones and providers at the far one.
struct ExampleNetwork {
    let cable: NetworkCable

    /// `far`: the addresses of the far end beside its own, where a phone could take the wrong one of all.
    init(far some: [String]? = nil) throws {
        cable = try NetworkCable()
        let near = ["192.0.2.1/24", "192.168.1.2/24", "203.0.113.2/24", "2001:db8::1/64"]
        let far = [
            "192.0.2.10/24", "192.0.2.11/24", "192.168.1.10/24", "192.168.1.11/24", "203.0.113.5/24",
            "2001:db8::10/64", "2001:db8::11/64",
        ]
        for (end, addresses) in [(cable.near, near), (cable.far, some ?? far)] {
            for address in addresses {
                try end.run("ip addr add \(address) dev cable\(address.contains("::") ? " nodad" : "")")
            }
        }
    }

    /// Runs a configuration at the near end, unchanged but for the paths in it.
    func run(
        _ text: String, _ paths: [(old: String, new: String)] = [],
        body: (Kamailio) throws -> Void
    ) throws {
        var text = text
        for (old, new) in paths { text = text.replacingOccurrences(of: old, with: new) }
        var configuration = KamailioConfiguration(complete: text)
        configuration.listensAsWritten = true
        try cable.near.inside { try Kamailio.with(configuration, body) }
    }

    func phone(_ name: String, at place: String, registrar: String, gruu: Phone.GRUU = .none) throws -> Phone {
        try cable.far.inside { try Phone(name, at: place, registrar: Endpoint(registrar, 5060), gruu: gruu) }
    }

    /// A relay where the examples have theirs.
    func relay(_ port: UInt16 = 22_222) throws -> ScriptedRelay {
        try cable.near.inside { try ScriptedRelay(at: Endpoint("127.0.0.1", port)) }
    }

    /// A real one there, whose media go through `address`.
    func realRelay(_ address: String = NetworkCable.nearAddress, options: [String] = []) throws -> RealRelay {
        try cable.near.inside { try RealRelay(address, options: options, port: 22_222) }
    }
}

@Suite(.enabled(if: NetworkCable.isAvailable, "\(NetworkCable.need)")) struct PhoneTests {
    /// A call with a re-INVITE of the called side, which one of the two ends. Each message must come to the other.
    private func place(_ caller: Phone, _ callee: Phone, _ relay: ScriptedRelay, endedByCaller: Bool) throws {
        let rewritten = "c=IN IP4 192.0.2.77"
        var calling = Phone.Dialog(from: caller.address, to: callee.address)
        try caller.send(calling.request("INVITE", of: caller, sdp: SDPText.audio()))
        let invite = try callee.expect("INVITE", of: calling.callID)
        #expect(invite.lines.contains(rewritten))
        let taken = callee.response(200, to: invite, sdp: SDPText.audio())
        var called = Phone.Dialog(answering: invite, with: taken)
        try callee.send(taken, to: invite)
        let answer = try caller.expectFinal("INVITE", of: calling.callID)
        #expect(answer.status == 200 && answer.lines.contains(rewritten))
        calling.take(answer)
        try caller.send(calling.request("ACK", of: caller))
        _ = try callee.expect("ACK", of: calling.callID)

        try callee.send(called.request("INVITE", of: callee, sdp: SDPText.audio(extra: ["a=sendonly"])))
        let hold = try caller.expect("INVITE", of: calling.callID)
        #expect(hold.lines.contains(rewritten))
        try caller.send(caller.response(200, to: hold, sdp: SDPText.audio()), to: hold)
        #expect(try callee.expectFinal("INVITE", of: calling.callID).status == 200)
        try callee.send(called.request("ACK", of: callee))
        _ = try caller.expect("ACK", of: calling.callID)

        let (one, other) = endedByCaller ? (caller, callee) : (callee, caller)
        try one.send(endedByCaller ? calling.request("BYE", of: one) : called.request("BYE", of: one))
        let bye = try other.expect("BYE", of: calling.callID)
        try other.send(other.response(200, to: bye), to: bye)
        #expect(try one.expectFinal("BYE", of: calling.callID).status == 200)
        let verbs = { relay.commands(of: calling.callID).map(\.verb).filter { "ULD".contains($0) } }
        #expect(waitUntil { verbs() == ["U", "L", "U", "L", "D"] }, "\(verbs())")
    }

    private func callBothWays(
        _ kamailio: Kamailio, _ network: ExampleNetwork, _ relay: ScriptedRelay, _ gruu: Phone.GRUU,
        registrar: String, at places: [String]
    ) throws {
        try #require(kamailio.waitUntilUp([relay]))
        let phones = try zip(["alice", "bob"], places).map {
            try network.phone($0, at: $1, registrar: registrar, gruu: gruu)
        }
        for phone in phones { try phone.register() }
        if gruu != .none { #expect(phones.allSatisfy { $0.contact.contains(";gr") }) }
        try place(phones[0], phones[1], relay, endedByCaller: true)
        try place(phones[1], phones[0], relay, endedByCaller: false)
    }

    @Test(arguments: Phone.GRUU.allCases)
    func theCompleteConfigurationServesPhonesThatObeyWhatMessagesSay(gruu: Phone.GRUU) throws {
        let network = try ExampleNetwork()
        let relay = try network.relay()
        try network.run(PackageFolder.fixture("readme/kamailio.cfg")) { kamailio in
            try callBothWays(
                kamailio, network, relay, gruu, registrar: NetworkCable.nearAddress,
                at: [NetworkCable.farAddress, NetworkCable.farAddress])
        }
    }

    /// Every example with a registrar, each with its own addresses.
    @Test(arguments: try Example.names().filter { try Example.text($0).contains("registrar.so") })
    func everyExampleServesPhonesWithAGRUU(name: String) throws {
        let network = try ExampleNetwork()
        let relays = [try network.relay(), try network.relay(22_223)]
        let folder = try TemporaryFolder()
        var paths = [("/run/kamailio/", folder.path + "/")]
        if name == "sets-database.cfg" { paths += try ExampleTests.sites(folder, relays.map(\.url)) }
        let text = try Certificate.inserted(into: Example.text(name))
        let isOffice = text.contains("192.168.1.2")
        try network.run(text, paths) { kamailio in
            for gruu in Phone.GRUU.allCases {
                try callBothWays(
                    kamailio, network, relays[0], gruu, registrar: isOffice ? "192.168.1.2" : "192.0.2.1",
                    at: isOffice ? ["192.168.1.10", "192.168.1.11"] : ["192.0.2.10", "192.0.2.11"])
            }
        }
    }
}
