// SPDX-License-Identifier: GPL-2.0-or-later
// The same phones with media, through a real RTPProxy: what they send each other arrives, whatever a call is made of.

import Foundation
import TestSupport
import Testing

/// A phone with a socket for the audio and one for the video of its call, both encrypted.
private final class MediaPhone {
    let phone: Phone
    let streams: [RTPEndpoint]
    private var destinations: [Endpoint] = []

    init(_ network: ExampleNetwork, _ name: String, at place: String, registrar: String, gruu: Phone.GRUU) throws {
        phone = try network.phone(name, at: place, registrar: registrar, gruu: gruu)
        streams = try network.cable.far.inside { [try RTPEndpoint(place), try RTPEndpoint(place)] }
        try phone.register()
    }

    func description(_ direction: String) -> String {
        let key = "inline:\(phone.agent.name)WnD1c5x2k0f3q8mBvYtRzLpQeUiOaSdFgHjKlZ"
        let kinds = [("audio", "0", "PCMU/8000"), ("video", "96", "VP8/90000")]
        return SDPText.session(
            phone.agent.endpoint.host,
            streams: zip(streams, kinds).map { stream, kind in
                [
                    "m=\(kind.0) \(stream.port) RTP/SAVP \(kind.1)", "a=rtpmap:\(kind.1) \(kind.2)",
                    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 \(key)", "a=\(direction)",
                ]
            })
    }

    /// Takes a description, which has to be the one that the other side sent but for where the media go.
    func take(_ message: SIPMessage, sent: String) throws {
        destinations = try SDPText.mediaAddresses(of: message.text)
        func kept(_ text: String) -> [String] {
            text.components(separatedBy: "\r\n").filter { line in
                !line.isEmpty && line != "a=nortpproxy:yes" && !line.hasPrefix("c=") && !line.hasPrefix("o=")
            }.map { $0.hasPrefix("m=") ? $0.replacing(#/ \d+ /#, with: " ", maxReplacements: 1) : $0 }
        }
        #expect(kept(message.text) == kept(sent))
    }

    /// How many of 20 packets that the other side sends arrive, of each stream.
    func hears(_ other: MediaPhone) -> [Int] {
        zip(streams, zip(other.streams, other.destinations)).map { own, there in
            while own.socket.receive(0) != nil {}
            there.0.send(20, to: there.1)
            return own.count(expecting: 20)
        }
    }
}

/// A call of two of them.
private struct MediaCall {
    let relay: RealRelay
    let network: ExampleNetwork
    let phones: [MediaPhone]
    var dialogs: [Phone.Dialog]

    init(_ network: ExampleNetwork, _ relay: RealRelay, _ caller: MediaPhone, _ callee: MediaPhone) {
        (self.network, self.relay, phones) = (network, relay, [caller, callee])
        // The proxy as the caller knows it.
        let host = caller.phone.address.split(separator: "@").last ?? ""
        dialogs = [Phone.Dialog(from: caller.phone.address, to: "sip:\(callee.phone.agent.name)@\(host)")]
    }

    var id: String { dialogs[0].callID }

    /// The INVITE of a side, at the other.
    mutating func invite(from side: Int = 0, _ direction: String) throws -> (sent: SIPMessage, got: SIPMessage) {
        let (one, other) = (phones[side], phones[1 - side])
        let offer = one.description(direction)
        let request = dialogs[side].request("INVITE", of: one.phone, sdp: offer)
        try one.phone.send(request)
        let got = try other.phone.expect("INVITE", of: id)
        try other.take(got, sent: offer)
        return (request, got)
    }

    /// An INVITE that is taken, and acknowledged.
    mutating func connect(
        from side: Int = 0, _ direction: String = "sendrecv", _ answered: String = "sendrecv"
    ) throws {
        let (one, other) = (phones[side], phones[1 - side])
        let (_, got) = try invite(from: side, direction)
        let answer = other.description(answered)
        let taken = other.phone.response(200, to: got, sdp: answer)
        let isFirst = dialogs.count == 1
        if isFirst { dialogs.append(Phone.Dialog(answering: got, with: taken)) }
        try other.phone.send(taken, to: got)
        let final = try one.phone.expectFinal("INVITE", of: id)
        #expect(final.status == 200)
        try one.take(final, sent: answer)
        // The route stays what it was, whatever comes later: RFC 3261 section 12.2.
        if isFirst { dialogs[0].take(final) }
        try one.phone.send(dialogs[side].request("ACK", of: one.phone))
        _ = try other.phone.expect("ACK", of: id)
    }

    mutating func hangUp(from side: Int) throws {
        let (one, other) = (phones[side].phone, phones[1 - side].phone)
        try one.send(dialogs[side].request("BYE", of: one))
        let bye = try other.expect("BYE", of: id)
        try other.send(other.response(200, to: bye), to: bye)
        #expect(try one.expectFinal("BYE", of: id).status == 200)
    }

    /// Packets of 20 of audio and video, at the caller and at the callee.
    func flows() -> [[Int]] { [phones[0].hears(phones[1]), phones[1].hears(phones[0])] }

    /// How many calls the relay carries.
    func sessions() throws -> Int {
        let counted = try network.cable.near.inside { try relay.command("I") }
        return try #require(counted.firstMatch(of: #/active sessions: (\d+)/#).flatMap { Int($0.1) })
    }
}

@Suite(.enabled(if: NetworkCable.isAvailable, "\(NetworkCable.need)")) struct PhoneMediaTests {
    private static let all = [[20, 20], [20, 20]]

    private func run(
        _ text: String, _ relay: (address: String, options: [String]), registrars: [String], places: [String],
        gruu: Phone.GRUU, body: (inout MediaCall) throws -> Void
    ) throws {
        let network = try ExampleNetwork()
        let relay = try network.realRelay(relay.address, options: relay.options)
        defer { relay.stop() }
        try network.run(text) { kamailio in
            try kamailio.find(1)
            let phones = try ["alice", "bob"].enumerated().map { index, name in
                try MediaPhone(network, name, at: places[index], registrar: registrars[index], gruu: gruu)
            }
            var call = MediaCall(network, relay, phones[0], phones[1])
            try body(&call)
            #expect(waitUntil { (try? call.sessions()) == 0 })
            #expect(kamailio.logLines("ERROR").isEmpty)
        }
    }

    private func runTheCompleteConfiguration(
        _ gruu: Phone.GRUU = .public, body: (inout MediaCall) throws -> Void
    ) throws {
        try run(
            PackageFolder.fixture("readme/kamailio.cfg"), (NetworkCable.nearAddress, []),
            registrars: [NetworkCable.nearAddress, NetworkCable.nearAddress],
            places: [NetworkCable.farAddress, NetworkCable.farAddress], gruu: gruu, body: body)
    }

    @Test("Encrypted audio and video arrive before and after a hold from either side", arguments: Phone.GRUU.allCases)
    func encryptedMedia(gruu: Phone.GRUU) throws {
        try runTheCompleteConfiguration(gruu) { call in
            try call.connect()
            #expect(call.flows() == Self.all)
            for side in [1, 0] {
                try call.connect(from: side, "sendonly", "recvonly")
                // Music on hold arrives.
                #expect(call.phones[1 - side].hears(call.phones[side]) == [20, 20])
                try call.connect(from: side)
                #expect(call.flows() == Self.all)
            }
            #expect(try call.sessions() > 0)
            try call.hangUp(from: 1)
        }
    }

    @Test func aBusyPhoneRefusesAndNothingIsLeftAtTheRelay() throws {
        try runTheCompleteConfiguration { call in
            let (caller, callee) = (call.phones[0].phone, call.phones[1].phone)
            let (sent, got) = try call.invite("sendrecv")
            #expect(try call.sessions() > 0)
            try callee.send(callee.response(486, to: got), to: got)
            _ = try callee.expect("ACK", of: call.id)
            let refusal = try caller.expectFinal("INVITE", of: call.id)
            #expect(refusal.status == 486)
            try caller.acknowledge(refusal, of: sent)
        }
    }

    @Test func aCallThatIsTakenBackRingsNoMoreAndNothingIsLeftAtTheRelay() throws {
        try runTheCompleteConfiguration { call in
            let (caller, callee) = (call.phones[0].phone, call.phones[1].phone)
            let (sent, got) = try call.invite("sendrecv")
            try callee.send(callee.response(180, to: got), to: got)
            #expect(caller.agent.receive { $0.status == 180 } != nil)
            try caller.cancel(sent)
            #expect(try caller.expectFinal("CANCEL", of: call.id).status == 200)
            let cancel = try callee.expect("CANCEL", of: call.id)
            try callee.send(callee.response(200, to: cancel), to: cancel)
            try callee.send(callee.response(487, to: got), to: got)
            _ = try callee.expect("ACK", of: call.id)
            let final = try caller.expectFinal("INVITE", of: call.id)
            #expect(final.status == 487)
            try caller.acknowledge(final, of: sent)
        }
    }

    @Test(arguments: [[0, 1], [1, 0], [1, 1]]) func phonesOfBothFamiliesHearEachOther(families: [Int]) throws {
        let text = try Example.text("ipv4-ipv6.cfg")
        let registrars = ["192.0.2.1", "2001:db8::1"]
        let places = [["192.0.2.10", "2001:db8::10"], ["192.0.2.11", "2001:db8::11"]]
        try run(
            text, ("192.0.2.1", ["-6", "/2001:db8::1"]), registrars: families.map { registrars[$0] },
            places: [places[0][families[0]], places[1][families[1]]], gruu: .public
        ) { call in
            try call.connect()
            #expect(call.flows() == Self.all)
            try call.connect(from: 1, "sendonly", "recvonly")
            #expect(call.phones[0].hears(call.phones[1]) == [20, 20])
            try call.connect(from: 1)
            #expect(call.flows() == Self.all)
            try call.hangUp(from: 0)
        }
    }
}
