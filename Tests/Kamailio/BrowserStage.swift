// SPDX-License-Identifier: GPL-2.0-or-later
// Calls between the page of examples/webrtc in a real browser and a desk phone, as the tests of each browser make them.

import Foundation
import TestSupport
import Testing

/// Calls between the page and a desk phone.
enum BrowserStage {
    /// Runs the example with a relay, a browser of alice and a phone of bob.
    static func run(
        in kind: BrowserPhone.Kind = .chromium, takesVideo: Bool = false, settings: [String: String] = [:],
        body: (_ browser: BrowserPhone, _ phone: DeskPhone, _ kamailio: Kamailio) throws -> Void
    ) throws {
        guard kind == .firefox else {
            return try run(in: kind, relay: WebRTCDemo.relayAddress, takesVideo, settings, body)
        }
        // It has no candidates of loopback addresses, and reaches none.
        let namespace = try NetworkNamespace()
        let address = "10.77.0.1"
        try namespace.run(
            """
            ip link add name wire type veth peer name end
            ip address add \(address)/24 dev wire
            ip link set end up
            ip link set wire up
            ip route add default via 10.77.0.2
            """)
        try namespace.inside { try run(in: kind, relay: address, takesVideo, settings, body) }
    }

    private static func run(
        in kind: BrowserPhone.Kind, relay address: String, _ takesVideo: Bool, _ settings: [String: String],
        _ body: (_ browser: BrowserPhone, _ phone: DeskPhone, _ kamailio: Kamailio) throws -> Void
    ) throws {
        let relay = try RealRelay(address)
        try Example.run("webrtc.cfg", real: relay) { kamailio in
            let phone = try DeskPhone(
                "bob", at: WebRTCDemo.phoneAddress, proxy: kamailio.endpoint(), takesVideo: takesVideo)
            let browser = try BrowserPhone(
                "alice", server: "wss://127.0.0.1:\(kamailio.port)", trusting: Certificate.shared.get(),
                settings: settings, in: kind)
            defer { browser.stop() }
            try browser.register()
            try body(browser, phone, kamailio)
            #expect(browser.problems() == [])
            let isOver = waitUntil(5) { (try? relay.sessions())?.hasSuffix(" 0") ?? false }
            #expect(isOver, "RTPProxy has a session")
        }
    }

    /// A call, whoever begins it, until both hear each other.
    static func connect(_ browser: BrowserPhone, _ phone: DeskPhone, browserCalls: Bool) throws {
        if browserCalls {
            try browser.call("bob")
            try phone.expectCall()
            try phone.answer()
        } else {
            try phone.call("alice")
            try browser.expect("state", "bob@127.0.0.1 calls")
            try browser.click("answer")
            #expect(try phone.expectAnswer() == 200)
        }
        try browser.expect("state", "Talking to bob@127.0.0.1")
        try expectTones(browser, phone)
    }

    static func expectTones(_ browser: BrowserPhone, _ phone: DeskPhone) throws {
        #expect(phone.audio.hears(BrowserPhone.tone), "the phone hears \(phone.audio.tone ?? 0) Hz")
        #expect(browser.hears(DeskPhone.tone), "\(browser.describe())")
    }

    /// Each holds the other and takes it back.
    static func eitherSideHoldsAndComesBack(_ kind: BrowserPhone.Kind, browserCalls: Bool) throws {
        try run(in: kind) { browser, phone, _ in
            try connect(browser, phone, browserCalls: browserCalls)
            try browser.click("hold")
            #expect(try phone.expectHold() == "a=sendonly")
            try browser.expect("direction", "audio: you hold the other side")
            try browser.expect("heard", "nothing")
            #expect(phone.audio.hears(BrowserPhone.tone), "music on hold")
            try browser.click("hold")
            #expect(try phone.expectHold() != "a=sendonly")
            try browser.expect("direction", "audio: both ways")
            try expectTones(browser, phone)

            try phone.hold(true)
            try browser.expect("direction", "audio: the other side holds you")
            #expect(phone.audio.fallsSilent())
            #expect(browser.hears(DeskPhone.tone), "\(browser.describe())")
            try phone.hold(false)
            try browser.expect("direction", "audio: both ways")
            try expectTones(browser, phone)
            try phone.hangUp()
            try browser.expect("state", "the other side has hung up")
        }
    }

    /// The browser has another address, say.
    static func aNewICEChangesNothingForThePhone(_ kind: BrowserPhone.Kind) throws {
        try run(in: kind) { browser, phone, _ in
            try connect(browser, phone, browserCalls: true)
            func credentials(_ side: String) throws -> String {
                try browser.evaluate("call.pc.\(side)Description.sdp.match(/ice-ufrag:(\\S+)/)[1]")
            }
            let (before, relay) = (try credentials("local"), try credentials("remote"))
            try browser.evaluate("void call.restart()")
            _ = try phone.expectHold()
            try browser.expect("ice", "connected")
            #expect(try before != credentials("local") && relay != credentials("remote"))
            try expectTones(browser, phone)
            // What had been connected before carries the media no longer.
            sleep(12)
            try browser.expect("ice", "connected")
            try expectTones(browser, phone)
            try browser.click("hangup")
            try phone.expectEnd()
        }
    }

    /// `takesVideo`: whether the phone takes it.
    static func videoIsOfferedAndTakenOrNot(_ kind: BrowserPhone.Kind, takesVideo: Bool) throws {
        try run(in: kind, takesVideo: takesVideo, settings: ["video": "1"]) { browser, phone, _ in
            try connect(browser, phone, browserCalls: true)
            let offered = phone.received[0]
            #expect(offered.contains("m=video ") && !offered.contains("SAVPF"))
            guard let video = phone.video else {
                #expect(try browser.text("direction").hasPrefix("audio: both ways"))
                try browser.click("hangup")
                return try phone.expectEnd()
            }
            try browser.expect("direction", "video: both ways")
            // What it shows comes back to it, and is a picture.
            #expect(
                waitUntil(20, every: 100) { pictures(browser) > 10 },
                "\(video.packets) packets came: \(browser.describe())")
            // What comes back behind a hold begins with no whole picture.
            for direction in ["you hold the other side", "both ways"] {
                try browser.click("hold")
                _ = try phone.expectHold()
                #expect(phone.received.last?.contains(#/m=video [1-9]/#) ?? false)
                try browser.expect("direction", "audio: \(direction), video: \(direction)")
            }
            let before = video.packets
            #expect(waitUntil(10, every: 100) { video.packets > before + 20 }, "\(browser.describe())")
            try expectTones(browser, phone)
            try browser.click("hangup")
            try phone.expectEnd()
        }
    }
}

/// Pictures that the page says it has seen.
private func pictures(_ browser: BrowserPhone) -> Int {
    let match = (try? browser.text("packets"))?.firstMatch(of: #/(\d+) pictures/#)
    return match.flatMap { Int($0.1) } ?? 0
}
