// SPDX-License-Identifier: GPL-2.0-or-later
// The page of examples/webrtc in a real browser calls a desk phone through examples/webrtc.cfg and a real RTPProxy, and is
// called by it.

import Foundation
import TestSupport
import Testing

@Suite(.enabled(if: BrowserPhone.isInstalled, "\(BrowserPhone.need)"), .serialized) struct BrowserPhoneTests {
    @Test func theDemoGoesWellInBothDirections() throws {
        let reports = try WebRTCDemo.run()
        #expect(reports.count == 2)
        for report in reports {
            #expect(report.problems == [], "\(report.text())")
            let labels = report.ladder.labels
            for label in ["INVITE + SDP", "200 INVITE + SDP", "ACK", "DTLS: connected", "BYE"] {
                #expect(labels.contains(label), "\(report.ladder.text)")
            }
            // The commands make one leg WebRTC.
            for label in ["&& M4:1 S", "&& M5:1 S"] { #expect(labels.count { $0 == label } == 1) }
            for label in ["&& M4:1 A", "&& M5:1 A"] { #expect(labels.count { $0.hasPrefix(label) } == 1) }
            // ICE ends before the session does, whichever process hears the BYE, and RTPProxy refuses nothing.
            #expect(labels.count { ["&& M5:1 D", "&& M5:1 U"].contains($0) } == 1, "\(report.ladder.text)")
            #expect(labels.allSatisfy { $0 != "&& -1" }, "\(report.ladder.text)")
        }
    }

    @Test(arguments: [true, false]) func eitherSideHoldsAndComesBack(browserCalls: Bool) throws {
        try BrowserStage.eitherSideHoldsAndComesBack(.chromium, browserCalls: browserCalls)
    }

    /// As Firefox is without one: it waits with what plays for a device that never comes.
    @Test func aBrowserWithoutADeviceForSoundCalls() throws {
        try BrowserStage.run { browser, phone, _ in
            try browser.evaluate("AudioContext.prototype.resume = () => new Promise(() => {}); true")
            try browser.call("bob")
            try phone.expectCall()
            try browser.click("hangup")
            try phone.expectCancel()
            try browser.expect("state", "No call")
        }
    }

    @Test func anotherCallFindsTheBrowserAsItWas() throws {
        try BrowserStage.run { browser, phone, _ in
            for browserCalls in [true, false, true] {
                try BrowserStage.connect(browser, phone, browserCalls: browserCalls)
                try browser.click("hangup")
                try phone.expectEnd()
                try browser.expect("state", "No call")
            }
        }
    }

    @Test func aNewICEChangesNothingForThePhone() throws {
        try BrowserStage.aNewICEChangesNothingForThePhone(.chromium)
    }

    /// What has been in a group has to stay in it, and RTPProxy has no port for two streams.
    @Test func aPhoneThatAddsVideoKeepsItsSound() throws {
        try BrowserStage.run(takesVideo: true) { browser, phone, _ in
            try BrowserStage.connect(browser, phone, browserCalls: true)
            try phone.addVideo()
            #expect(phone.received.last?.contains("m=video 0 ") ?? false, "\(phone.received.last ?? "")")
            #expect(try browser.text("advice") == "")
            try BrowserStage.expectTones(browser, phone)
            try phone.hangUp()
            try browser.expect("state", "the other side has hung up")
        }
    }

    /// The browser offers it by the transport that it has, which takes no second stream: the call goes on without.
    @Test func aBrowserThatAddsVideoKeepsItsSound() throws {
        try BrowserStage.run(takesVideo: true) { browser, phone, _ in
            try BrowserStage.connect(browser, phone, browserCalls: true)
            try browser.evaluate("call.pc.addTrack(movingPicture(), new MediaStream()); void call.sendInvite()")
            _ = try phone.expectHold()
            #expect(phone.received.last?.contains("m=video 0 ") ?? false, "\(phone.received.last ?? "")")
            let isTaken = try waitUntil(10, every: 100) {
                try browser.evaluate("call.pc.signalingState") == "stable"
            }
            #expect(try isTaken && browser.text("advice") == "", "\(browser.describe())")
            try BrowserStage.expectTones(browser, phone)
            try browser.click("hangup")
            try phone.expectEnd()
        }
    }

    /// One that is to have one transport for all offers its further streams so from the beginning; others have one for each.
    @Test(arguments: ["max-bundle", "balanced"]) func aBrowserHasTheTransportsThatItWants(policy: String) throws {
        try BrowserStage.run(takesVideo: true, settings: ["video": "1"]) { browser, phone, _ in
            try browser.evaluate(
                """
                { const Plain = RTCPeerConnection;
                  window.RTCPeerConnection = function () { return new Plain({ bundlePolicy: "\(policy)" }); }; true }
                """)
            try BrowserStage.connect(browser, phone, browserCalls: true)
            let isRefused = phone.received.last?.contains("m=video 0 ") ?? false
            #expect(isRefused == (policy == "max-bundle"), "\(phone.received.last ?? "")")
            #expect(try browser.text("advice") == "")
            if !isRefused { try browser.expect("direction", "video: both ways") }
            try browser.click("hangup")
            try phone.expectEnd()
        }
    }

    /// RTPProxy has forgotten the old ones then, and the browser goes on with them until it loses its media.
    @Test func aNewICEThatIsRefusedIsMadeGoodByTheNextReInvite() throws {
        try BrowserStage.run { browser, phone, _ in
            try BrowserStage.connect(browser, phone, browserCalls: true)
            try browser.evaluate("void call.restart()")
            try phone.refuseChange(488)
            try browser.expect("ice", "disconnected", seconds: 40)
            try browser.click("hold")
            #expect(try phone.expectHold() == "a=sendonly")
            try browser.expect("ice", "connected")
            try browser.click("hold")
            _ = try phone.expectHold()
            try BrowserStage.expectTones(browser, phone)
            try browser.click("hangup")
            try phone.expectEnd()
        }
    }

    @Test(arguments: [true, false]) func videoIsOfferedAndTakenOrNot(takesVideo: Bool) throws {
        try BrowserStage.videoIsOfferedAndTakenOrNot(.chromium, takesVideo: takesVideo)
    }

    /// The answer of a phone names no streams, and Chromium refuses one with other names than its own. `video`: whether
    /// the phone takes that; nil: it is not offered.
    @Test(arguments: [true, false, nil]) func aBrowserFindsItsOwnNamesOfItsStreams(video: Bool?) throws {
        try BrowserStage.run(takesVideo: video ?? false, settings: ["video": video == nil ? "0" : "1"]) {
            browser, phone, _ in
            try browser.evaluate(
                """
                const set = RTCPeerConnection.prototype.setLocalDescription;
                RTCPeerConnection.prototype.setLocalDescription = async function (description) {
                    if (description || this.signalingState !== "stable") return set.call(this, description);
                    const name = word => ({"0": "sound", "1": "a1"})[word] || word;
                    const sdp = (await this.createOffer()).sdp.replace(/^(a=mid:|a=group:BUNDLE )(.*)$/gm,
                        (line, start, words) => start + words.trim().split(" ").map(name).join(" "));
                    return set.call(this, {type: "offer", sdp});
                };
                true
                """)
            try BrowserStage.connect(browser, phone, browserCalls: true)
            let sent = try browser.evaluate("call.pc.localDescription.sdp")
            #expect(sent.contains("a=mid:sound\r\n") && sent.contains("a=mid:a1\r\n") == (video != nil))
            guard video == nil else {
                try browser.click("hangup")
                return try phone.expectEnd()
            }
            // And in an offer of the phone.
            try phone.hold(true)
            try browser.expect("direction", "audio: the other side holds you")
            try phone.hold(false)
            try browser.expect("direction", "audio: both ways")
            try BrowserStage.expectTones(browser, phone)
            try browser.click("hangup")
            try phone.expectEnd()
        }
    }

    @Test func anInviteWithoutAnOfferIsAnsweredWithOne() throws {
        try BrowserStage.run { browser, phone, _ in
            try phone.call("alice", isLate: true)
            try browser.expect("state", "bob@127.0.0.1 calls")
            try browser.click("answer")
            #expect(try phone.expectAnswer() == 200)
            try BrowserStage.expectTones(browser, phone)
            try phone.hangUp()
            try browser.expect("state", "the other side has hung up")
        }
    }

    @Test func whatAPhoneSaysIsNoMarkup() throws {
        let markup = "<img src=x onerror=document.title='FORGED'>"
        try BrowserStage.run { browser, phone, _ in
            try browser.call("bob")
            try phone.expectCall()
            try phone.refuse(486, reason: markup)
            try browser.expect("state", "No call: 486 \(markup)")
            #expect(try browser.evaluate("document.querySelectorAll('img').length") == "0")
        }
    }

    @Test func callsAreRefusedAndTakenBackFromEitherSide() throws {
        try BrowserStage.run { browser, phone, _ in
            try browser.call("bob")
            try phone.expectCall()
            try browser.expect("state", "Ringing: bob@127.0.0.1")
            try phone.refuse(486)
            try browser.expect("state", "No call: 486")
            try browser.call("bob")
            try phone.expectCall()
            try browser.click("hangup")
            try phone.expectCancel()
            try browser.expect("state", "No call")
            try browser.call("nobody")
            try browser.expect("state", "No call: 404")

            try phone.call("alice")
            try browser.expect("state", "bob@127.0.0.1 calls")
            try browser.click("hangup")
            #expect(try phone.expectAnswer() == 486)
            try phone.call("alice")
            try browser.expect("state", "bob@127.0.0.1 calls")
            try phone.cancel()
            #expect(try phone.expectAnswer() == 487)
            try browser.expect("state", "No call: missed")
        }
    }

    /// Towards a browser the module changes nothing but where the media go and how they are encrypted.
    @Test(.enabled(if: WebRTCAgent.isInstalled, "\(WebRTCAgent.need)"), arguments: ["audio", "audio,video"])
    func browserAndAnotherWebRTCClientHearEachOther(offers: String) throws {
        try BrowserStage.run(settings: ["video": offers.contains("video") ? "1" : "0"]) { browser, _, kamailio in
            let other = try WebRTCAgent(
                "carol", proxy: "wss://127.0.0.1:\(kamailio.port)/", address: "127.0.0.5", tone: 700,
                options: ["--auto", "--offers", offers])
            try other.command("register")
            try browser.call("carol")
            try browser.expect("state", "Talking to carol@127.0.0.1")
            #expect(browser.hears(700) && other.hears(BrowserPhone.tone), "\(browser.describe())")
            try other.command("bye 1")
            try browser.expect("state", "the other side has hung up")
            let number = try other.command("call sip:alice@127.0.0.1")
            try browser.expect("state", "carol@127.0.0.1 calls")
            try browser.click("answer")
            #expect(browser.hears(700) && other.hears(BrowserPhone.tone, call: number), "\(browser.describe())")
            if offers.contains("video") {
                #expect(other.wait(number, seconds: 20) { $0.frames > 10 })
                try browser.expect("direction", "video: both ways")
            }
            try browser.click("hangup")
            try browser.expect("state", "No call")
        }
    }
}

extension BrowserPhoneTests {
    /// Its descriptions differ: the fingerprint stands at the session, `a=rtcp` and candidates of TCP come along.
    @Suite(
        .enabled(if: BrowserPhone.Kind.firefox.isInstalled, "\(BrowserPhone.Kind.firefox.need)"),
        .enabled(if: NetworkCable.isAvailable, "\(NetworkCable.need)"))
    struct FirefoxTests {
        @Test(arguments: [true, false]) func eitherSideHoldsAndComesBack(browserCalls: Bool) throws {
            try BrowserStage.eitherSideHoldsAndComesBack(.firefox, browserCalls: browserCalls)
        }

        @Test func aNewICEChangesNothingForThePhone() throws {
            try BrowserStage.aNewICEChangesNothingForThePhone(.firefox)
        }

        @Test(arguments: [true, false]) func videoIsOfferedAndTakenOrNot(takesVideo: Bool) throws {
            try BrowserStage.videoIsOfferedAndTakenOrNot(.firefox, takesVideo: takesVideo)
        }
    }
}
