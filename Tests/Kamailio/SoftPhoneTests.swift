// SPDX-License-Identifier: GPL-2.0-or-later
// Programs that people call with, in another network than Kamailio's, through a real RTPProxy and the configurations of
// the documentation: baresip, Linphone and sipp, as Debian has them.

import Foundation
import TestSupport
import Testing

/// What the real RTPProxy says of the RTP of its sessions that have ended: packets in from each side.
private func relayed(_ relay: RealRelay) -> [(callee: Int, caller: Int)] {
    relay.process.output.matches(of: #/ RTP stats: (\d+) in from callee, (\d+) in from caller/#).map {
        (Int($0.1) ?? 0, Int($0.2) ?? 0)
    }
}

@Suite(.enabled(if: NetworkCable.isAvailable, "\(NetworkCable.need)"), .serialized) struct SoftPhoneTests {
    private static let near = NetworkCable.nearAddress
    private static let far = NetworkCable.farAddress

    /// Runs a configuration with a real relay, and the phones that `make` starts.
    private func run(
        _ text: String, relay place: (address: String, options: [String]) = (near, []),
        far: [String]? = nil, phones make: (ExampleNetwork) throws -> [any SoftPhone],
        body: (_ phones: [any SoftPhone], _ relay: RealRelay) throws -> Void
    ) throws {
        let network = try ExampleNetwork(far: far)
        let relay = try network.realRelay(place.address, options: place.options)
        defer { relay.stop() }
        try network.run(text) { kamailio in
            try kamailio.find(1)
            let phones = try make(network)
            defer { for phone in phones { phone.stop() } }
            try body(phones, relay)
            #expect(kamailio.logLines("ERROR").isEmpty)
        }
    }

    private func baresip(_ network: ExampleNetwork, _ name: String, _ account: [String] = []) throws -> Baresip {
        try Baresip(name, at: Self.far, registrar: Self.near, in: network.cable.far, account: account)
    }

    /// Packets of audio that the relay has got from the two sides of the call of `caller`, a baresip.
    private func packets(_ caller: any SoftPhone, _ relay: RealRelay) throws -> [Int] {
        let invite = #/\nINVITE .*?\nFrom: [^\n]*;tag=(\S+)\nCall-ID: (\S+)/#.dotMatchesNewlines()
        let found = try #require(caller.printed.firstMatch(of: invite))
        let counted = try relay.command("Q \(found.2) \(found.1);1").split(separator: " ").map { Int($0) ?? 0 }
        return Array(counted.dropFirst().prefix(2))
    }

    /// A call to `callee`, which answers by itself; each hears the other before a hold, and sends again after it, when
    /// baresip writes what it hears to no file.
    private func callAndHold(_ caller: any SoftPhone, _ callee: any SoftPhone, _ relay: RealRelay) throws {
        try caller.type("/dial \(callee.address)")
        try caller.expect("Call established")
        #expect(caller.hearsATone() && callee.hearsATone())
        try caller.type("/hold")
        try caller.expect("a=sendonly")
        #expect(waitUntil(5) { caller.printed.components(separatedBy: "\nACK ").count > 2 })
        try caller.type("/resume")
        #expect(waitUntil(5) { caller.printed.components(separatedBy: "\nACK ").count > 3 })
        let before = try packets(caller, relay)
        #expect(
            waitUntil(10) {
                guard let now = try? packets(caller, relay) else { return false }
                return zip(before, now).allSatisfy { $1 > $0 + 25 }
            })
    }

    @Test(
        .enabled(if: Baresip.isInstalled, "baresip is not installed: make setup"),
        arguments: [["answermode=auto"], ["answermode=auto", "mediaenc=srtp-mand"]])
    func baresipsHearAndSeeEachOther(account: [String]) throws {
        let text = try PackageFolder.fixture("readme/kamailio.cfg")
        try run(text, phones: { [try baresip($0, "alice", account), try baresip($0, "bob", account)] }) {
            phones, relay in
            try callAndHold(phones[0], phones[1], relay)
            if account.count > 1 {
                for phone in phones {
                    for kind in ["audio", "video"] { #expect(phone.printed.contains("srtp: \(kind): SRTP is Enabled")) }
                }
            }
            try phones[1].type("/hangup")
            try phones[0].expect("session closed")
            // Audio and video, both ways.
            #expect(waitUntil(10) { relayed(relay).count { $0.callee > 50 && $0.caller > 50 } == 2 })
        }
    }

    @Test(.enabled(if: Baresip.isInstalled, "baresip is not installed: make setup"))
    func baresipIsBusyAndBaresipIsNoLongerCalled() throws {
        let text = try PackageFolder.fixture("readme/kamailio.cfg")
        try run(text, phones: { [try baresip($0, "alice"), try baresip($0, "bob")] }) { phones, _ in
            try phones[0].type("/dial \(phones[1].address)")
            try phones[1].expect("Incoming call")
            try phones[1].type("/hangup")
            try phones[0].expect("session closed: 486")
            try phones[0].type("/dial \(phones[1].address)")
            try phones[1].expect("Incoming call", count: 2)
            try phones[0].type("/hangup")
            try phones[1].expect("\nCANCEL ")
            try phones[0].expect("SIP/2.0 487 Request Terminated")
        }
    }

    @Test(.enabled(if: Baresip.isInstalled, "baresip is not installed: make setup"))
    func baresipsOfBothFamiliesHearEachOther() throws {
        let text = try Example.text("ipv4-ipv6.cfg")
        // A relay between two networks does not learn addresses, and baresip lets the kernel choose its own.
        let far = ["192.0.2.10/24", "2001:db8::10/64"]
        let make: (ExampleNetwork) throws -> [any SoftPhone] = { network in
            [
                try Baresip("alice", at: "192.0.2.10", registrar: "192.0.2.1", in: network.cable.far),
                try Baresip(
                    "bob", at: "2001:db8::10", registrar: "2001:db8::1", in: network.cable.far,
                    account: ["answermode=auto"]),
            ]
        }
        try run(text, relay: ("192.0.2.1", ["-6", "/2001:db8::1"]), far: far, phones: make) { phones, _ in
            try phones[0].type("/dial sip:bob@192.0.2.1")
            try phones[0].expect("Call established")
            #expect(phones[0].hearsATone() && phones[1].hearsATone())
            try phones[1].type("/hangup")
            try phones[0].expect("session closed")
        }
    }

    /// Its Contact is a GRUU: ACK, re-INVITE and BYE have to come to it all the same.
    @Test(
        .enabled(if: Baresip.isInstalled && Linphone.isInstalled, "baresip or Linphone is not installed: make setup"),
        arguments: [true, false])
    func linphoneIsCalledPutOnHoldAndHangsUpOrIsHungUpOn(hangsUp: Bool) throws {
        let text = try PackageFolder.fixture("readme/kamailio.cfg")
        let make: (ExampleNetwork) throws -> [any SoftPhone] = { network in
            [
                try baresip(network, "alice"),
                try Linphone("carol", at: Self.far, registrar: Self.near, in: network.cable.far),
            ]
        }
        try run(text, phones: make) { phones, relay in
            try callAndHold(phones[0], phones[1], relay)
            #expect(phones[0].printed.contains("gr=urn:uuid:"), "linphone has no GRUU")
            try phones[hangsUp ? 1 : 0].type(hangsUp ? "terminate" : "/hangup")
            try phones[1].expect("ended (No error)")
            if hangsUp { try phones[0].expect("session closed") }
            #expect(waitUntil(10) { relayed(relay).contains { $0.callee > 50 && $0.caller > 50 } })
        }
    }

    /// A phone in a third network, which reaches nothing but Kamailio and the relay.
    private func secluded(_ network: ExampleNetwork) throws -> NetworkNamespace {
        let third = try NetworkNamespace()
        try network.cable.near.run(
            """
            ip link add third type veth peer name cable netns \(third.processID)
            ip addr add 198.51.100.1/24 dev third && ip link set third up
            echo 0 >/proc/sys/net/ipv4/ip_forward
            """)
        try third.run(
            """
            ip addr add 198.51.100.10/24 dev cable && ip link set cable up && ip route add default via 198.51.100.1
            """)
        return third
    }

    /// The phones do ICE, and do not send at all where nobody answers it. Those that cannot reach each other do not
    /// hear each other but through the relay, whichever priority it has.
    @Test(
        .enabled(if: Baresip.isInstalled, "baresip is not installed: make setup"),
        arguments: [1, 2], [true, false])
    func baresipsWithICEHearEachOther(ice: Int, areApart: Bool) throws {
        let text = try Example.text("ice-phones.cfg")
        #expect(text.contains("#!define ICE 1\n"))
        let changed = text.replacingOccurrences(of: "#!define ICE 1", with: "#!define ICE \(ice)")
        let account = ["answermode=auto", "medianat=ice"]
        let make: (ExampleNetwork) throws -> [any SoftPhone] = { network in
            let far = network.cable.far
            let third = areApart ? try secluded(network) : far
            return [
                try Baresip("alice", at: "192.0.2.10", registrar: "192.0.2.1", in: far, account: account),
                try Baresip(
                    "bob", at: areApart ? "198.51.100.10" : "192.0.2.10", registrar: "192.0.2.1", in: third,
                    account: account),
            ]
        }
        try run(changed, relay: ("192.0.2.1", []), far: ["192.0.2.10/24"], phones: make) { phones, relay in
            // 2, and a way to each other: checks alone go through the relay. On a busy machine a phone may hear of that way
            // too late, and take the other one: not each time. 1: which pair a phone takes first of those that work is its
            // own choice.
            var isDirect = areApart || ice == 1
            for call in 1...3 where call == 1 || !isDirect {
                try phones[0].type("/dial \(phones[1].address)")
                try phones[0].expect("Call established")
                try phones[0].expect("connectivity check is complete", count: 2)
                // Whether or not a further offer says what was chosen, it goes on.
                for _ in 0..<4 { #expect(phones[0].hearsATone() && phones[1].hearsATone()) }
                try phones[1].type("/hangup")
                try phones[0].expect("session closed")
                #expect(waitUntil(10) { relayed(relay).count == 2 * call })
                let counts = relayed(relay).suffix(2)
                if areApart { #expect(counts.allSatisfy { $0.callee > 50 && $0.caller > 50 }, "\(counts)") }
                isDirect = isDirect || counts.allSatisfy { $0.callee < 20 && $0.caller < 20 }
            }
            #expect(isDirect, "\(relayed(relay))")
        }
    }

    @Test(.enabled(if: Baresip.isInstalled, "baresip is not installed: make setup"))
    func baresipsWithICEAreSilentWithoutCandidatesOfTheRelay() throws {
        let text = try PackageFolder.fixture("readme/kamailio.cfg")
        let account = ["answermode=auto", "medianat=ice"]
        try run(text, phones: { [try baresip($0, "alice", account), try baresip($0, "bob", account)] }) {
            phones, relay in
            try phones[0].type("/dial \(phones[1].address)")
            try phones[0].expect("ICE not supported by peer")
            try phones[1].type("/hangup")
            #expect(waitUntil(10) { relayed(relay).count == 2 })
            #expect(relayed(relay).allSatisfy { $0.callee == 0 && $0.caller == 0 })
        }
    }

    /// Scenarios of sipp that check each message: Tests/Fixtures/sipp.
    @Test(.enabled(if: (try? ChildProcess.run("sipp", ["-v"])) != nil, "sipp is not installed: make setup"))
    func sippCallsPutsOnHoldTakesBackAndHangsUp() throws {
        let text = try PackageFolder.fixture("readme/kamailio.cfg")
        let call: (ExampleNetwork) throws -> [any SoftPhone] = { network in
            let folder = try TemporaryFolder()
            func sipp(_ scenario: String, _ port: Int, _ further: [String]) throws -> ChildProcess {
                let file = "\(PackageFolder.root)/Tests/Fixtures/sipp/\(scenario).xml"
                let options = ["-sf", file, "-i", Self.far, "-p", "\(port)", "-m", "1", "-nostdin"]
                return try network.cable.far.inside {
                    try ChildProcess(
                        "sipp", options + ["-timeout", "20", "-timeout_error"] + further, folder: folder.path)
                }
            }
            let registered = try sipp("register", 5070, ["-s", "bob", Self.near])
            #expect(registered.wait(25) == .exited(0), "\(registered.output.suffix(2000))")
            let callee = try sipp("callee", 5070, [])
            usleep(500_000)
            let caller = try sipp("caller", 5080, ["-s", "bob", Self.near])
            #expect(caller.wait(25) == .exited(0), "\(caller.output.suffix(2000))")
            #expect(callee.wait(25) == .exited(0), "\(callee.output.suffix(2000))")
            return []
        }
        try run(text, phones: call) { _, _ in }
    }
}
