// SPDX-License-Identifier: GPL-2.0-or-later
// WebRTC meets plain RTP: aiortc and a phone call each other through a real Kamailio and a real RTPProxy, and each hears
// the other's tone.

import Foundation
import TestSupport
import Testing

/// How a script has the module look after its calls.
enum WebRTCWay: String, CaseIterable, CustomStringConvertible, Sendable {
    case managed = "MANAGED"
    case waiting = "WAITING"
    case engaged = "ENGAGED"

    var description: String { rawValue.lowercased() }
}

/// A Kamailio that phones and browsers register with, and the RTPProxy behind it.
final class WebRTCStage {
    let kamailio: Kamailio
    let relays: [RealRelay]
    var relay: RealRelay { relays[0] }
    /// Where browsers connect to.
    var webSocket: String { "ws://127.0.0.1:\(kamailio.port)/" }
    var registrar: Endpoint { kamailio.endpoint() }

    /// `relays`: how many RTPProxies there are. `definitions`: what the script defines besides the way. `settings`: further
    /// lines before its routes.
    init(
        _ way: WebRTCWay = .managed, flags: String = "g", relays count: Int = 1, definitions: [String] = [],
        settings: [String] = []
    ) throws {
        relays = try (0..<count).map { try RealRelay("127.0.0.\(9 + $0)") }
        let routes = try PackageFolder.fixture("kamailio/webrtc.cfg").replacingOccurrences(of: "FLAGS", with: flags)
        kamailio = try Kamailio(
            .webRTC(
                routes, definitions: [way.rawValue] + definitions, modules: way == .engaged ? ["dialog"] : [],
                settings: relays.map { "modparam(\"rtpproxy\", \"rtpproxy_sock\", \"\($0.url)\")" }
                    + (way == .waiting ? ["modparam(\"rtpproxy\", \"rtpproxy_async_processes\", 1)"] : []) + settings))
    }

    deinit {
        _ = try? kamailio.stop()
        for relay in relays { relay.stop() }
    }

    /// A browser that has registered.
    func browser(_ name: String = "carol", tone: Int = 440, options: [String] = []) throws -> WebRTCAgent {
        let agent = try WebRTCAgent(name, proxy: webSocket, address: "127.0.0.2", tone: tone, options: options)
        try agent.command("register")
        return agent
    }

    /// A phone that has registered, with a tone of its own.
    func phone(_ name: String = "dave", tone: Int = 700) throws -> TonePhone {
        let phone = try TonePhone(name, at: "127.0.0.3", registrar: registrar, tone: tone)
        try phone.phone.register()
        return phone
    }
}

/// A phone with plain RTP. One thread at a time makes it do something.
final class TonePhone: @unchecked Sendable {
    let phone: Phone
    let media: ToneEndpoint
    private(set) var dialog: Phone.Dialog?
    /// Whether what it has sent last begins a call.
    private var isFirst = false
    /// The topmost Via of each INVITE that it has answered.
    private var answered: [String] = []
    /// Descriptions that it has got.
    private(set) var got: [SIPMessage] = []

    init(_ name: String, at place: String, registrar: Endpoint, tone: Int) throws {
        phone = try Phone(name, at: place, registrar: registrar)
        media = try ToneEndpoint(place, tone: tone)
    }

    /// What it offers or answers.
    func description(_ direction: String = "sendrecv") -> String {
        SDPText.text(
            [
                "v=0", "o=- 1 1 IN IP4 \(media.socket.endpoint.host)", "s=-", "c=IN IP4 \(media.socket.endpoint.host)",
                "t=0 0", "m=audio \(media.socket.endpoint.port) RTP/AVP 0", "a=rtpmap:0 PCMU/8000", "a=\(direction)",
            ])
    }

    /// Takes a description and sends its tone there.
    func take(_ message: SIPMessage) throws {
        got.append(message)
        media.send(to: try SDPText.mediaAddress(of: message.text))
    }

    /// Answers the next INVITE with 200 and a description, and takes the ACK.
    func answer(_ direction: String = "sendrecv", late: Bool = false) throws {
        let before = answered
        // One that was sent again, on a busy machine, has its answer.
        guard
            let invite = phone.agent.receive(
                10_000, where: { $0.isRequest && $0.method == "INVITE" && !before.contains($0["Via"] ?? "") })
        else {
            throw HarnessError("no INVITE came to \(phone.address)")
        }
        answered.append(invite["Via"] ?? "")
        if !late { try take(invite) }
        let response = phone.response(200, to: invite, sdp: description(direction))
        try phone.send(response, to: invite)
        let ack = try phone.expect("ACK", of: invite.callID)
        if late { try take(ack) }
        if dialog == nil { dialog = Phone.Dialog(answering: invite, with: response) }
    }

    /// Answers the next INVITE beside `work`, which makes it come. Both have ended when this returns: who waited on for the
    /// ACK would take the next INVITE from who waits for that.
    func answers(_ direction: String = "sendrecv", beside work: () throws -> Void) throws {
        nonisolated(unsafe) var failure: (any Error)?
        let end = DispatchSemaphore(value: 0)
        Thread { [self] in
            do { try answer(direction) } catch { failure = error }
            end.signal()
        }.start()
        let outcome = Result { try work() }
        end.wait()
        try outcome.get()
        if let failure { throw failure }
    }

    /// Calls, or within its call changes what it has offered; waits for the answer.
    /// `late`: what it says of its media comes with the ACK.
    func call(
        _ uri: String? = nil, registrar: Endpoint? = nil, direction: String = "sendrecv", late: Bool = false
    ) throws {
        try begin(uri, registrar: registrar, direction: direction, late: late)
        try expectAnswer(direction: direction, late: late)
    }

    /// Calls, and waits for nothing.
    func begin(
        _ uri: String? = nil, registrar: Endpoint? = nil, direction: String = "sendrecv", late: Bool = false
    ) throws {
        if let uri {
            dialog = Phone.Dialog(from: phone.address, to: uri, target: uri)
        }
        isFirst = uri != nil
        guard let invite = dialog?.request("INVITE", of: phone, sdp: late ? nil : description(direction)) else {
            throw HarnessError("no dialog")
        }
        if let registrar { phone.agent.send(invite, to: registrar) } else { try phone.send(invite) }
    }

    /// Waits for a description of the other side before its answer.
    func expectEarly() throws {
        guard let call = dialog?.callID,
            let early = phone.agent.receive(10_000, where: { $0.status == 183 && $0.callID == call })
        else { throw HarnessError("no early media came to \(phone.address)") }
        try take(early)
    }

    /// Waits for the answer to what it has begun, and acknowledges it.
    func expectAnswer(direction: String = "sendrecv", late: Bool = false) throws {
        guard let call = dialog?.callID else { throw HarnessError("no dialog") }
        let answer = try phone.expectFinal("INVITE", of: call)
        guard answer.status == 200 else { throw HarnessError("\(phone.address) got \(answer.text)") }
        if isFirst { dialog?.take(answer) }
        try take(answer)
        guard let ack = dialog?.request("ACK", of: phone, sdp: late ? description(direction) : nil) else {
            throw HarnessError("no dialog")
        }
        try phone.send(ack)
    }

    func hangUp() throws {
        guard let bye = dialog?.request("BYE", of: phone) else { throw HarnessError("no dialog") }
        try phone.send(bye)
        _ = try phone.expectFinal("BYE", of: bye.callID)
    }
}

/// A browser and a phone that register and call each other.
struct MixedCall {
    let stage: WebRTCStage
    let browser: WebRTCAgent
    let phone: TonePhone

    init(
        _ way: WebRTCWay = .managed, browserAnswers: Bool = false, options: [String] = [], settings: [String] = []
    ) throws {
        stage = try WebRTCStage(way, settings: settings)
        browser = try stage.browser(options: options + (browserAnswers ? ["--auto"] : []))
        phone = try stage.phone()
    }

    /// The browser calls; `late`: without an offer.
    func browserCalls(late: Bool = false) throws {
        try browser.command("call sip:dave@127.0.0.1:\(stage.kamailio.port)\(late ? " late" : "")")
        try phone.answer(late: late)
    }

    /// The phone calls; `late`: without an offer.
    func phoneCalls(late: Bool = false) throws {
        try phone.call("sip:carol@127.0.0.1:\(stage.kamailio.port)", registrar: stage.registrar, late: late)
    }

    /// Whether each hears the other's tone.
    func expectTones(_ location: SourceLocation = #_sourceLocation) {
        #expect(
            phone.media.hears(440), "\(phone.media) \(stage.kamailio.log.suffix(2000)) \(phone.got.map(\.text))",
            sourceLocation: location)
        #expect(
            browser.hears(700), "\(phone.media) \(stage.kamailio.log.suffix(2000)) \(browser.events())",
            sourceLocation: location)
    }

    /// How many sessions the relay has.
    private var sessions: Int? {
        (try? stage.relay.command("I"))?.firstMatch(of: #/active sessions: (\d+)/#).flatMap { Int($0.1) }
    }

    /// Whether the relay has the session.
    func expectSession(_ location: SourceLocation = #_sourceLocation) {
        #expect(sessions == 1, sourceLocation: location)
    }

    /// Whether the session is gone from the relay in the end.
    func expectEnd(_ location: SourceLocation = #_sourceLocation) {
        #expect(waitUntil(5) { sessions == 0 }, sourceLocation: location)
    }
}

@Suite(.serialized, .enabled(if: WebRTCAgent.isInstalled, "\(WebRTCAgent.need)")) struct WebRTCCallTests {
    @Test(arguments: WebRTCWay.allCases)
    func aBrowserCallsAPhone(_ way: WebRTCWay) throws {
        let call = try MixedCall(way)
        try call.browserCalls()
        call.expectTones()
        call.expectSession()
        try call.phone.hangUp()
        call.expectEnd()
    }

    @Test(arguments: WebRTCWay.allCases)
    func aPhoneCallsABrowser(_ way: WebRTCWay) throws {
        let call = try MixedCall(way, browserAnswers: true)
        try call.phoneCalls()
        call.expectTones()
        call.expectSession()
        try call.browser.command("bye 1")
        call.expectEnd()
    }

    /// Each holds the other and takes it back; ports, credentials and the DTLS association stay.
    @Test(arguments: [WebRTCWay.managed, .engaged])
    func eitherSideHoldsAndTakesBack(_ way: WebRTCWay) throws {
        let call = try MixedCall(way)
        try call.browserCalls()
        call.expectTones()
        let phone = call.phone
        for (direction, answer, command) in [("sendonly", "recvonly", "hold 1"), ("sendrecv", "sendrecv", "resume 1")] {
            try phone.answers(answer) { try call.browser.command(command) }
            #expect(phone.got.last?.text.contains("a=\(direction)\r\n") ?? false)
        }
        call.expectTones()
        try phone.call(direction: "sendonly")
        try phone.call(direction: "sendrecv")
        call.expectTones()
        let ufrags = Set(
            call.browser.descriptions(sent: false).map { $0.split(separator: "ice-ufrag:").last?.prefix(4) })
        #expect(ufrags.count == 1)
    }

    @Test(arguments: [[], ["--mids", "a1"], ["--mids", "a1", "--no-group"]])
    func theOfferMayComeInTheBrowsersReply(_ options: [String]) throws {
        let call = try MixedCall(browserAnswers: true, options: options)
        try call.phoneCalls(late: true)
        call.expectTones()
    }

    @Test func theOfferMayComeInTheReply() throws {
        let call = try MixedCall()
        try call.browserCalls(late: true)
        call.expectTones()
    }

    /// A phone says nothing of names and groups, and a browser refuses others than its own; so it does in an answer, and
    /// in an offer of a call that is up.
    @Test(
        arguments: WebRTCWay.allCases, [["--mids", "audio"], ["--mids", "1", "--no-group"]])
    func aBrowserFindsItsOwnNamesOfItsStreams(_ way: WebRTCWay, _ options: [String]) throws {
        let call = try MixedCall(way, options: options)
        try call.browserCalls()
        call.expectTones()
        try call.phone.call(direction: "sendonly")
        try call.phone.call()
        call.expectTones()
        #expect(call.browser.events().filter { $0.event == "problem" }.isEmpty, "\(call.browser.events())")
    }

    @Test func aBrowserThatWaitsIsCalledByTheRelay() throws {
        let call = try MixedCall(browserAnswers: true, options: ["--setup", "passive", "--case", "lower"])
        try call.phoneCalls()
        call.expectTones()
        // Its offers leave the choice, as all do; the roles stay.
        let phone = call.phone
        for (answer, command) in [("recvonly", "hold 1"), ("sendrecv", "resume 1")] {
            try phone.answers(answer) { try call.browser.command(command) }
        }
        call.expectTones()
    }

    /// The same script: WebRTC to WebRTC, and plain RTP past the modules.
    @Test func browsersCallBrowsersAndPhonesCallPhones() throws {
        let stage = try WebRTCStage()
        let (carol, erin) = (try stage.browser(), try stage.browser("erin", tone: 600, options: ["--auto"]))
        try carol.command("call sip:erin@127.0.0.1:\(stage.kamailio.port)")
        #expect(carol.hears(600) && erin.hears(440), "\(stage.kamailio.log.suffix(2000)) \(carol.events())")
        let (dave, frank) = (try stage.phone(), try stage.phone("frank", tone: 900))
        try frank.answers {
            try dave.call("sip:frank@127.0.0.1:\(stage.kamailio.port)", registrar: stage.registrar)
        }
        #expect(dave.media.hears(900) && frank.media.hears(700), "\(dave.media); \(frank.media)")
        #expect(!(frank.got.first?.text.contains("a=ice-lite") ?? true))
    }

    /// Where Kamailio cannot see who the receiver is, the script says it.
    @Test func theFlagsOfEachWayDoTheSame() throws {
        let stage = try WebRTCStage(flags: "$var(way)")
        let (browser, phone) = (try stage.browser(), try stage.phone())
        try browser.command("call sip:dave@127.0.0.1:\(stage.kamailio.port)")
        try phone.answer()
        #expect(phone.media.hears(440) && browser.hears(700), "\(stage.kamailio.log.suffix(2000))")
    }

    /// One whose candidate is not where it is, whoever calls, and one that is heard.
    @Test(arguments: [(WebRTCWay.managed, false), (.managed, true), (.waiting, false), (.engaged, true)])
    func aBrowserThatSendsNothingIsCountedAndLogged(_ way: WebRTCWay, _ browserAnswers: Bool) throws {
        for isLost in [true, false] {
            let call = try MixedCall(
                way, browserAnswers: browserAnswers,
                options: isLost ? ["--candidate", "1 1 udp 2113937151 127.0.0.8 50000 typ host"] : [],
                settings: ["modparam(\"rtpproxy\", \"rtpproxy_webrtc_silence\", 2)"])
            if browserAnswers { try call.phoneCalls() } else { try call.browserCalls() }
            if !isLost { call.expectTones() }
            let line = "has had nothing of the browser in media stream 1, 2 s after the answer"
            if isLost {
                #expect(call.stage.kamailio.waitForLog(line) != nil, "\(call.stage.kamailio.log.suffix(2000))")
            } else {
                Thread.sleep(forTimeInterval: 3.5)
                #expect(!call.stage.kamailio.log.contains(line))
            }
            let counted = try call.stage.kamailio.kamcmd("stats.get_statistics", "rtpproxy:")
            #expect(counted.contains("webrtc_silent = \(isLost ? 1 : 0)\n"), "\(counted)")
            #expect(call.stage.kamailio.logLines("ERROR").isEmpty)
        }
    }

    /// A name instead of an address, as browsers write it that hide where they are.
    @Test func aBrowserThatNobodyCanFindIsCountedAndLogged() throws {
        let call = try MixedCall(options: ["--candidate", "1 1 udp 2113937151 7d1f2c.local 50000 typ host"])
        try call.browserCalls()
        let counted = try call.stage.kamailio.kamcmd("stats.get_statistics", "rtpproxy:")
        #expect(counted.contains("webrtc_no_candidate = 1"))
        #expect(call.stage.kamailio.log.contains("no ICE candidate that RTPProxy can use, 1 of them are names (mDNS)"))
    }
}
