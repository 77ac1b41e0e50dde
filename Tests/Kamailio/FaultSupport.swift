// SPDX-License-Identifier: GPL-2.0-or-later
// What the tests of faults have in common: calls that count, time limits, and a cable to a relay.

import Foundation
import TestSupport
import Testing

/// What came of a function on one message, and how long that took.
struct FaultedOffer {
    let call: Call
    let invite: SIPMessage
    let milliseconds: Int

    var code: Int? { invite.returnCodes.first }
}

extension Kamailio {
    /// An offer, measured. It must come through whatever becomes of it.
    func offer(_ sdp: String = SDPText.audio(), id: String? = nil) throws -> FaultedOffer {
        let call = try call()
        if let id { call.id = id }
        let start = monotonicMilliseconds()
        call.send(call.request("INVITE", sdp: sdp, run: .offer()))
        let got = call.callee.receive(20_000) { $0.isRequest && $0.method == "INVITE" }
        let invite = try #require(got, "the INVITE did not come through: \(log.suffix(2000))")
        let offer = FaultedOffer(call: call, invite: invite, milliseconds: monotonicMilliseconds() - start)
        // Where it failed the message is as it came.
        if offer.code != 1 { #expect(invite.text == sdp) }
        return offer
    }

    /// Offer, answer and deletion: whether all of them worked.
    func completesACall() throws -> Bool {
        let offer = try offer()
        guard offer.code == 1 else { return false }
        let answered = try offer.call.reply(to: offer.invite, sdp: SDPText.audio(), run: .answer())
        let bye = try offer.call.bye(run: .destroy())
        return answered.returnCodes == [1] && bye.returnCodes == [1]
    }

    /// Whether calls work again, by themselves, within so many seconds.
    func recovers(within seconds: Double = 20) throws -> Bool {
        try waitUntil(seconds, every: 100) { try completesACall() }
    }

    /// The module's lines at WARNING and ERROR, but for one of each call that failed.
    var faultLines: [String] {
        var calls: Set<String> = []
        return logLines(" rtpproxy ").filter { line in
            guard line.contains("WARNING") || line.contains("ERROR") else { return false }
            guard let call = line.firstMatch(of: #/: call (\S+): /#)?.1 else { return true }
            return !calls.insert(String(call)).inserted
        }
    }
}

/// Two seconds for a command, and what failed is tried again after one.
func briefly(_ configuration: inout KamailioConfiguration) {
    configuration.listensOnIPv6 = false
    configuration.set("rtpproxy_tout", 2)
    configuration.set("rtpproxy_retr", 1)
    configuration.set("rtpproxy_disable_tout", 1)
    configuration.set("rtpproxy_ping_interval", 1)
}

/// The longest that a function may take with `briefly`: its two seconds, and what a busy machine adds.
let brieflyInMilliseconds = 4500

/// Runs `body` with a Kamailio at one end of a cable and a relay at the other.
func acrossACable(
    _ transport: ScriptedRelay.Transport = .udp, at address: String = NetworkCable.farAddress,
    prepare: (NetworkCable) throws -> Void = { _ in }, configured: (inout KamailioConfiguration) -> Void = briefly,
    _ body: (Kamailio, ScriptedRelay, NetworkCable) throws -> Void
) throws {
    let cable = try NetworkCable()
    try prepare(cable)
    let relay = try cable.relay(transport, at: address)
    try cable.near.inside {
        try Stage.own([relay], configured) { kamailio in try body(kamailio, relay, cable) }
    }
}

/// Eight streams, with a Call-ID of so many bytes: as many commands of somewhat more bytes than that.
func manyStreams() -> String {
    SDPText.session(streams: (0..<8).map { SDPText.media("audio", 5000 + 2 * $0) })
}

func longCallID(_ length: Int) -> String {
    let start = UUID().uuidString
    return start + String(repeating: "x", count: max(0, length - start.count))
}

/// The wall clock of a Kamailio, set by libfaketime.
struct WallClock {
    private let folder: TemporaryFolder
    private static let library = ["x86_64", "aarch64"]
        .map { "/usr/lib/\($0)-linux-gnu/faketime/libfaketime.so.1" }
        .first { FileManager.default.fileExists(atPath: $0) }

    static let isThere = library != nil

    init() throws {
        folder = try TemporaryFolder()
        try set("+0")
    }

    /// Away from the real time by so much, from now on: `+1h`, `-2d`.
    func set(_ difference: String) throws {
        // Replaced, not written over, so that no process reads half of it.
        try "\(difference)\n".write(toFile: folder.file("time"), atomically: true, encoding: .utf8)
    }

    var environment: [String: String] {
        [
            "LD_PRELOAD": Self.library ?? "", "FAKETIME_TIMESTAMP_FILE": folder.file("time"), "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_RESET": "1",
        ]
    }
}
