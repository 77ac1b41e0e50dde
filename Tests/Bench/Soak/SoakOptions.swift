// SPDX-License-Identifier: GPL-2.0-or-later
// What the command line says of a soak.

import Foundation
import TestSupport

/// How long it goes on, and what happens how often meanwhile.
struct SoakOptions {
    /// Calls in all.
    var calls = 1_000_000
    /// How long in all; nil: until the calls are made.
    var minutes: Double?
    /// Calls under way at the same time.
    let inFlight = 100
    /// Datagrams lost, of a million, on the way to a relay and on the way back each.
    let lossPerMillion = 10_000
    /// Milliseconds from one thing that the operator does to the next.
    private(set) var pace = 2000
    /// Milliseconds from one restart of a relay to the next.
    private(set) var betweenRestarts = 60_000
    /// How long a relay is gone.
    let downtime = 1000
    /// Milliseconds from one sample under load to the next.
    let betweenSamples = 5000
    /// Milliseconds after which a relay gives up a session that nothing asks for.
    private(set) var timeToLive = 30_000
    /// Parts of the load. After each, everything comes to rest and is looked at.
    private(set) var rounds = 40
    /// How long calls are carried over stream connections at the end, in seconds.
    private(set) var linkSeconds = 60.0
    private(set) var wantsHelp = false
    /// The real relay that the calls go through instead of the scripted ones.
    private(set) var relay: RelayKind?
    /// Kamailios that share the calls; nil: there is one.
    private(set) var hosts: Int?
    /// Whether the calls are those of browsers.
    private(set) var hasBrowsers = false
    private(set) var isQuick = false

    init(_ arguments: [String]) throws {
        var callsGiven: Int?
        for argument in arguments {
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let value = parts.count == 2 ? parts[1] : ""
            switch parts[0] {
            case "help": wantsHelp = true
            case "CALLS" where value.isEmpty, "MINUTES" where value.isEmpty, "RELAY" where value.isEmpty,
                "HOSTS" where value.isEmpty:
                break
            case "RELAY":
                guard let kind = RelayKind(rawValue: value) else {
                    throw HarnessError("RELAY is rtpproxy or rtpengine, not \"\(value)\"")
                }
                relay = kind
            case "HOSTS":
                guard let number = Int(value), (2...8).contains(number) else {
                    throw HarnessError("HOSTS is a number of 2 to 8, not \"\(value)\"")
                }
                hosts = number
            case "WEBRTC": hasBrowsers = !value.isEmpty && value != "0"
            case "QUICK" where value.isEmpty || value == "0": break
            case "QUICK": isQuick = true
            case "CALLS":
                guard let number = Int(value), number > 0 else {
                    throw HarnessError("CALLS is a number, not \"\(value)\"")
                }
                callsGiven = number
            case "MINUTES":
                guard let number = Double(value), (2...10_000).contains(number) else {
                    throw HarnessError("MINUTES is a number of 2 to 10000, not \"\(value)\"")
                }
                minutes = number
            default: throw HarnessError("\"\(argument)\" is unknown; try soak help")
            }
        }
        guard relay == nil || minutes == nil else { throw HarnessError("with RELAY say CALLS, not MINUTES") }
        guard relay == nil || hosts == nil else { throw HarnessError("say RELAY or HOSTS, not both") }
        guard !hasBrowsers || relay == nil && hosts == nil && minutes == nil else {
            throw HarnessError("with WEBRTC say CALLS, neither MINUTES nor RELAY nor HOSTS")
        }
        let range = hasBrowsers ? 1...BrowserSoak.mostCalls : 1000...100_000_000
        guard callsGiven.map({ range.contains($0) }) ?? true else {
            throw HarnessError("CALLS is a number of \(range.lowerBound) to \(range.upperBound)")
        }
        calls = callsGiven ?? (hasBrowsers ? isQuick ? 20 : 200 : relay == nil ? calls : isQuick ? 1000 : 10_000)
        if isQuick { minutes = minutes ?? 2 }
        if let minutes, minutes < 10 {
            (pace, betweenRestarts, timeToLive, rounds) = (600, 15_000, 12_000, 10)
            linkSeconds = 20
        }
        if minutes == nil { rounds = max(rounds, calls / 100_000) }
    }

    /// Rounds after which everything has been touched that is going to be, and the process of the asynchronous calls
    /// has had as many of them at once as it will ever have.
    var warmUp: Int { rounds <= 10 ? 4 : rounds / 5 }

    /// The load of one round.
    var load: Load {
        // No transaction of tm lives longer than 30 s without an answer: what hangs is seen before tm ends it.
        var load = Load(kind: .dialog, inFlight: inFlight, patience: 25)
        if let minutes {
            // Rest takes some 5 s a round, the end as long as a session lives.
            let rest = Double(timeToLive) / 1000 + 10 + linkSeconds
            load.seconds = max(5, (minutes * 60 - rest) / Double(rounds) - 5)
        } else {
            (load.calls, load.seconds) = ((calls + rounds - 1) / rounds, 100_000)
        }
        return load
    }

    /// Goes through the rounds, and says now and then how far that is. Returns how many seconds it took.
    func carry(_ round: () throws -> (calls: String, restarts: Int, hangs: Bool)) throws -> Double {
        let started = monotonicMilliseconds()
        for number in 1...rounds {
            let (calls, restarts, hangs) = try round()
            if number % max(1, rounds / 10) == 0 {
                print(
                    "  round \(number): \(calls) after \((monotonicMilliseconds() - started) / 1000) s, "
                        + "\(restarts) restarts")
                fflush(nil)
            }
            // A process that hangs has failed: to go on would cost its time limit in each round.
            if hangs { break }
        }
        return Double(monotonicMilliseconds() - started) / 1000
    }

    static let help = """
        make soak [CALLS=n] [MINUTES=n] [QUICK=1]
        make soak RELAY=rtpproxy|rtpengine [CALLS=n] [QUICK=1]
        make soak HOSTS=n [CALLS=n] [MINUTES=n] [QUICK=1]
        make soak WEBRTC=1 [CALLS=n] [QUICK=1]

        Carries calls through Kamailio with this module for a long time while relays are restarted, lose datagrams, and
        are disabled, drained, replaced and reloaded from a database; then asks whether anything is left over or has
        grown.

          CALLS     how many calls (default 1000000)
          MINUTES   so many minutes instead, 2 at least
          QUICK=1   two minutes, and what is carried over stream connections at the end

        With RELAY the calls go through a real RTPProxy or rtpengine, which nobody disturbs: with every function of the
        module, holds, late offers, refusals and CANCELs, and audio both ways. Then it asks whether a session is left at
        the relay, and whether that has grown or complained.

          CALLS     how many calls (default 10000)
          QUICK=1   1000 calls

        With HOSTS, 3 say, the calls go through so many Kamailios, which share them by rtpproxy_dmq, and as many real
        RTPProxies, one of which is restarted every minute. Each request of a call goes to another Kamailio, and so does
        the answer. Then it asks whether a call is lost that was not under way at an RTPProxy when that was restarted,
        whether a session or an entry of a call table is left, and whether anything has grown.

          CALLS     how many calls (default 1000000)
          MINUTES   so many minutes instead, 2 at least
          QUICK=1   two minutes, a restart every 15 s

        With WEBRTC the calls are those of aiortc, by UDP and by WebSocket, through a real RTPProxy to phones, and as many
        of phones for comparison. They come up one after the other and are up at the same time; then each side sends a
        few packets of audio, none of which may be lost, and Kamailio may work twice as long for one as for a phone's.

          CALLS     how many at once (default 200, 240 at most)
          QUICK=1   20 calls, once; the time is not judged
        """
}
