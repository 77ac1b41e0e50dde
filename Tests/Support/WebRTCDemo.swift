// SPDX-License-Identifier: GPL-2.0-or-later
// A browser calls a desk phone through examples/webrtc.cfg and a real RTPProxy, and the phone calls the browser: what
// `make demo WEBRTC=1` shows, and what a test checks.

import Foundation
import Synchronization

/// Everything seen during one call between a browser and a phone.
public struct WebRTCDemoReport: Sendable {
    /// Who calls whom.
    public let title: String
    public let ladder: Ladder
    /// The four session descriptions: as sent by the caller, as the callee got it, and the answer likewise.
    public var offerSent = ""
    public var offerReceived = ""
    public var answerSent = ""
    public var answerReceived = ""
    /// What the page said of its media while the call lasted.
    public var page = ""
    /// The tones heard, in Hz.
    public var heardByPhone: Int?
    public var heardByBrowser = ""
    /// Packets of the browser that the phone has received.
    public var receivedByPhone = 0
    /// What the relay said of its sessions during the call, and after it.
    public var sessionsBefore = ""
    public var sessionsAfter = ""
    /// What was wrong, each in a sentence. Empty after a good call.
    public var problems: [String] = []

    mutating func check(_ holds: Bool, _ problem: String) {
        if !holds { problems.append(problem) }
    }
}

/// The two calls.
public enum WebRTCDemo {
    // Each party has a loopback address of its own.
    public static let relayAddress = "127.0.0.4"
    public static let phoneAddress = "127.0.0.3"

    /// Says on the page's console what it sends, receives and sees, with the time.
    private static let telling = """
        (function () {
          function tell(...words) { console.log([performance.timeOrigin + performance.now(), ...words].join("\\t")); }
          const shown = logMessage;
          logMessage = function (isSent, text) {
            const message = parse(text);
            const what = (message.status ? message.status + " " : "") + message.method + (message.body ? " + SDP" : "");
            tell(isSent ? "sent" : "received", what);
            shown(isSent, text);
          };
          const prepare = Call.prototype.prepare;
          Call.prototype.prepare = async function (withVideo) {
            await prepare.call(this, withVideo);
            const pc = this.pc;
            pc.addEventListener("iceconnectionstatechange", () => tell("media", "ICE: " + pc.iceConnectionState));
            pc.addEventListener("signalingstatechange", function () {
              for (const { transport } of pc.getSenders()) {
                if (transport) transport.onstatechange = () => tell("media", "DTLS: " + transport.state);
              }
            });
          };
        })()
        """

    /// The configuration of the example with a relay and a certificate.
    public static func configuration(_ relayURL: String, module: RTPProxyModule = .underTest) throws
        -> KamailioConfiguration
    {
        let text = try String(contentsOfFile: "\(PackageFolder.root)/examples/webrtc.cfg", encoding: .utf8)
        var configuration = KamailioConfiguration(
            complete: try Certificate.inserted(into: text).replacingOccurrences(
                of: "udp:127.0.0.1:22222", with: relayURL))
        configuration.module = module
        return configuration
    }

    /// A command or an answer as several labels: a sub-command each, and of Call-IDs, tags, keys, fingerprints and
    /// candidates of the relay the beginning.
    static func labels(of text: String) -> [String] {
        text.components(separatedBy: " && ").enumerated().map { index, part in
            let words = part.split(separator: " ").map { word in
                word.count > 16 && (!word.contains(".") || word.contains("%")) ? word.prefix(8) + "..." : word
            }
            return (index == 0 ? "" : "&& ") + words.joined(separator: " ")
        }
    }

    /// Starts the relay, Kamailio and a browser, places both calls, and stops everything.
    public static func run(module: RTPProxyModule = .underTest) throws -> [WebRTCDemoReport] {
        guard BrowserPhone.isInstalled else { throw HarnessError(BrowserPhone.need) }
        let ladders = LadderHolder()
        let relay = try RealRelay(relayAddress)
        defer { relay.stop() }
        let forwarder = try ControlForwarder(to: relay.control) { text, isAnswer in
            let way = isAnswer ? ("RTPProxy", "Kamailio") : ("Kamailio", "RTPProxy")
            for label in labels(of: text) { ladders.current.add(way.0, way.1, label) }
        }
        defer { forwarder.stop() }
        return try Kamailio.with(configuration(forwarder.url, module: module)) { kamailio in
            guard kamailio.waitUntilUp() else {
                throw HarnessError("RTPProxy was not found by the module:\n\(kamailio.log)")
            }
            let phone = try DeskPhone("bob", at: phoneAddress, proxy: kamailio.endpoint()) { message, sent in
                let what = message.isRequest ? message.method : "\(message.status) \(message.method)"
                let label = message.body.isEmpty ? what : "\(what) + SDP"
                sent ? ladders.current.add("phone", "Kamailio", label) : ladders.current.add("Kamailio", "phone", label)
            }
            let browser = try BrowserPhone(
                "alice", server: "wss://127.0.0.1:\(kamailio.port)", trusting: Certificate.shared.get())
            defer { browser.stop() }
            try browser.register()
            try browser.evaluate(telling)
            return try [true, false].map { isOfBrowser in
                ladders.begin()
                return try place(kamailio, relay, browser, phone, ladders.current, browserCalls: isOfBrowser)
            }
        }
    }

    private static func place(
        _ kamailio: Kamailio, _ relay: RealRelay, _ browser: BrowserPhone, _ phone: DeskPhone, _ ladder: Ladder,
        browserCalls: Bool
    ) throws -> WebRTCDemoReport {
        var report = WebRTCDemoReport(
            title: browserCalls ? "A browser calls a phone" : "A phone calls a browser", ladder: ladder)
        let (already, seen) = (try browser.messages().count, browser.events().count)
        let packets = phone.audio.packets
        if browserCalls {
            try browser.call("bob")
            try phone.expectCall()
            try phone.answer()
        } else {
            try phone.call("alice")
            try browser.expect("state", "bob@127.0.0.1 calls")
            try browser.click("answer")
            try phone.expectAnswer()
        }
        try browser.expect("state", "Talking to bob@127.0.0.1")
        // Both have heard the other one.
        report.check(phone.audio.hears(BrowserPhone.tone), "The phone does not hear the browser's tone.")
        report.check(browser.hears(DeskPhone.tone), "The browser does not hear the phone's tone.")
        (report.heardByPhone, report.heardByBrowser) = (phone.audio.tone, try browser.text("heard"))
        report.page = browser.describe()
        report.check(report.page.contains("dtls: connected"), "The browser's DTLS is not connected.")
        report.receivedByPhone = phone.audio.packets - packets
        ladder.add("browser", "RTPProxy", "SRTP: a tone of \(BrowserPhone.tone) Hz")
        ladder.add("RTPProxy", "phone", "RTP: \(report.heardByPhone.map { "\($0) Hz" } ?? "nothing") heard")
        ladder.add("phone", "RTPProxy", "RTP: a tone of \(DeskPhone.tone) Hz")
        ladder.add("RTPProxy", "browser", "SRTP: \(report.heardByBrowser)")

        let bodies = try browser.messages().dropFirst(already).compactMap {
            $0.components(separatedBy: "\r\n\r\n").last
        }
        .filter { $0.hasPrefix("v=0") }
        guard bodies.count >= 2, let got = phone.received.last, let said = phone.sent.last else {
            throw HarnessError("there are not all descriptions:\n\(report.page)")
        }
        (report.offerSent, report.answerReceived) = browserCalls ? (bodies[0], bodies[1]) : (said, got)
        (report.offerReceived, report.answerSent) = browserCalls ? (got, said) : (bodies[0], bodies[1])
        let (toPhone, toBrowser) = (got, browserCalls ? bodies[1] : bodies[0])
        report.check(toPhone.contains(" RTP/AVP "), "The phone is not given plain RTP.")
        for word in ["fingerprint", "candidate", "ice-ufrag", "ssrc", "mid:"] {
            report.check(!toPhone.contains("a=\(word)"), "The phone is given a=\(word).")
        }
        for word in [" UDP/TLS/RTP/SAVPF ", "a=fingerprint:", "a=setup:", "a=ice-ufrag:", "a=candidate:", "a=rtcp-mux"]
        {
            report.check(toBrowser.contains(word), "The browser is not given \(word).")
        }
        report.sessionsBefore = try relay.sessions()
        report.check(report.sessionsBefore.hasSuffix(" 1"), "RTPProxy has \(report.sessionsBefore) during the call.")
        if browserCalls {
            try browser.click("hangup")
            try phone.expectEnd()
        } else {
            try phone.hangUp()
            phone.audio.send(to: nil)
        }
        try browser.expect("state", "No call")
        _ = try waitUntil(5) {
            try browser.messages().dropFirst(already).contains {
                $0.contains("CSeq: ") && $0.hasPrefix("SIP/2.0 200") && $0.contains(" BYE\r\n")
            }
        }
        _ = try waitUntil(2) {
            report.sessionsAfter = try relay.sessions()
            return report.sessionsAfter.hasSuffix(" 0")
        }
        report.check(report.sessionsAfter.hasSuffix(" 0"), "RTPProxy has \(report.sessionsAfter) after it.")
        for problem in browser.problems() { report.problems.append("The page has failed: \(problem)") }
        add(browser.events().dropFirst(seen), to: ladder)
        return report
    }

    /// The browser's own messages and states, at the time that it says.
    private static func add(_ events: some Sequence<BrowserPhone.Event>, to ladder: Ladder) {
        let sinceBoot = DispatchTime.now().uptimeNanoseconds
        let now = Date().timeIntervalSince1970
        for event in events where event.event == "console" {
            let words = (event.text ?? "").split(separator: "\t").map(String.init)
            guard words.count == 3, let milliseconds = Double(words[0]) else { continue }
            let ago = max(0, now - milliseconds / 1000)
            let time = sinceBoot - min(sinceBoot, UInt64(ago * 1e9))
            switch words[1] {
            case "sent": ladder.add("browser", "Kamailio", words[2], at: time)
            case "received": ladder.add("Kamailio", "browser", words[2], at: time)
            default: ladder.add("RTPProxy", "browser", words[2], at: time)
            }
        }
    }
}

/// The ladder of the call that goes on.
private final class LadderHolder: Sendable {
    private let ladder = Mutex(LadderHolder.make())

    var current: Ladder { ladder.withLock { $0 } }
    func begin() { ladder.withLock { $0 = Self.make() } }
    private static func make() -> Ladder { Ladder(["browser", "Kamailio", "RTPProxy", "phone"]) }
}

extension RealRelay {
    /// What it says of its sessions: `active sessions: 1`.
    public func sessions() throws -> String {
        let told = try command("I")
        return told.firstMatch(of: #/active sessions: \d+/#).map { String($0.0) } ?? told
    }
}

extension WebRTCDemoReport {
    /// The whole report. `heading` dresses the titles.
    public func text(heading: (String) -> String = { $0 }) -> String {
        var parts = [heading(title), ladder.text, ""]
        parts += [heading("The offer: as the caller sent it, as the callee got it")]
        parts += sideBySide(offerSent, offerReceived) + [""]
        parts += [heading("The answer: as the callee sent it, as the caller got it")]
        parts += sideBySide(answerSent, answerReceived) + [""]
        parts += [heading("Tones")]
        parts += [
            "  the phone hears \(heardByPhone.map { "\($0) Hz" } ?? "nothing"), of the browser's \(BrowserPhone.tone)"
        ]
        parts += ["  the browser hears \(heardByBrowser), of the phone's \(DeskPhone.tone)"]
        parts += ["  the phone has received \(receivedByPhone) packets by then", ""]
        parts += [heading("What the page says")]
        parts += page.split(separator: "\n").map { "  \($0)" } + [""]
        parts += [heading("Sessions of RTPProxy")]
        parts += ["  before BYE: \(sessionsBefore)", "  after BYE:  \(sessionsAfter)", ""]
        return parts.joined(separator: "\n")
    }
}
