// SPDX-License-Identifier: GPL-2.0-or-later
// The page of examples/webrtc by itself: passwords, permissions, what it shows and how.

import Foundation
import TestSupport
import Testing

@Suite(.enabled(if: BrowserPhone.isInstalled, "\(BrowserPhone.need)"), .serialized) struct BrowserPageTests {
    /// Runs the example with a relay that is asked nothing, and a browser of alice.
    private func run(
        settings: [String: String] = [:], passwords: Bool = false, isDeniedMicrophone: Bool = false,
        body: (BrowserPhone, Kamailio) throws -> Void
    ) throws {
        let changes = passwords ? [(old: "##!define PASSWORDS", new: "#!define PASSWORDS")] : []
        try Example.run("webrtc.cfg", relays: [ScriptedRelay()], changes) { kamailio in
            if passwords {
                _ = try kamailio.kamcmd("htable.sets", "passwords", "alice", "sesame & \"more\"")
            }
            let browser = try BrowserPhone(
                "alice", server: "wss://127.0.0.1:\(kamailio.port)", trusting: Certificate.shared.get(),
                settings: settings, isDeniedMicrophone: isDeniedMicrophone)
            defer { browser.stop() }
            try body(browser, kamailio)
            #expect(browser.problems() == [])
        }
    }

    @Test func itsMD5IsThatOfRFC1321() throws {
        try run { browser, _ in
            let long = String(repeating: "1234567890", count: 8)
            for (text, hash) in [
                ("", "d41d8cd98f00b204e9800998ecf8427e"), ("abc", "900150983cd24fb0d6963f7d28e17f72"),
                ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"), (long, "57edf4a22be3c955ac49da2e2107b67a"),
                // Where the length just fits, and where it does not.
                (String(repeating: "a", count: 55), "ef1772b6dff9a122358552954ad0df65"),
                (String(repeating: "a", count: 56), "3b0c8ac703f828b04c6c197006d17218"),
                (String(repeating: "a", count: 64), "014842d480b571495a4a0363793f7367"),
            ] {
                let found = try browser.evaluate("md5('\(text)')")
                #expect(found == hash, "\(text)")
            }
        }
    }

    @Test func aPasswordLetsInAndAnotherOneDoesNot() throws {
        try run(settings: ["password": "wrong"], passwords: true) { browser, _ in
            try browser.click("register")
            try browser.expect("registration", "not registered: 401")
            try browser.evaluate("at('password').value = 'sesame & \"more\"'")
            try browser.register()
            // Nobody is there, which it learns only once the password was taken.
            try browser.call("nobody")
            try browser.expect("state", "No call: 404")
            let sent = try browser.messages().filter { $0.hasPrefix("INVITE ") && $0.contains("Proxy-Authorization: ") }
            #expect(sent.count >= 1)
            try browser.click("unregister")
            try browser.expect("registration", "not registered")
        }
    }

    @Test func itSaysThatItNeedsTheMicrophone() throws {
        try run(settings: ["source": "microphone"], isDeniedMicrophone: true) { browser, _ in
            try browser.register()
            try browser.call("bob")
            try browser.expect("state", "No call: No microphone: ")
            // A tone needs none, but the browser's addresses are hidden.
            try browser.evaluate("at('source').value = 'tone'")
            try browser.call("bob")
            try browser.expect("advice", "The browser hides its addresses")
            try browser.expect("state", "No call: 404")
        }
    }

    @Test func whatComesFromTheNetworkIsNoMarkup() throws {
        let name = "<img/src=x/onerror=document.title='FORGED'>"
        try run { browser, kamailio in
            try browser.register()
            let call = try kamailio.call()
            var invite = call.request("INVITE", sdp: SDPText.audio(), inDialog: false)
            invite.startLine = "INVITE sip:alice@127.0.0.1:\(kamailio.port) SIP/2.0"
            invite["From"] = "\"\(name)\" <sip:mallory@127.0.0.1>;tag=1"
            invite["Subject"] = "<b>\(name)</b>"
            let text = String(decoding: invite.bytes, as: UTF8.self)
            let encoded = try String(decoding: JSONEncoder().encode([text]), as: UTF8.self)
            // As from the server, whatever that would let through.
            try browser.evaluate("received(\(encoded)[0])")
            // The address is that behind the name, whatever stands in the quotes.
            try browser.expect("state", "mallory@127.0.0.1 calls")
            #expect(try browser.evaluate("document.querySelectorAll('img, b').length") == "0")
            #expect(try browser.messages().contains { $0.contains("Subject: <b>\(name)</b>") })
            #expect(try browser.evaluate("document.title") != "FORGED")
            try browser.click("hangup")
        }
    }

    @Test func itAnswersWhatItIsAsked() throws {
        try run { browser, _ in
            try browser.register()
            let head = "From: <sip:b@x>;tag=1\\r\\nTo: <sip:alice@x>\\r\\nCall-ID: 1\\r\\nCSeq: 1 "
            for (method, more, status) in [
                ("OPTIONS", "", "200"), ("BYE", "", "481"), ("CANCEL", "", "481"), ("MESSAGE", "", "405"),
                ("INVITE", "Require: 100rel\\r\\n", "420"),
            ] {
                let before = try browser.messages().count
                let text =
                    "\(method) sip:a SIP/2.0\\r\\nv: SIP/2.0/WSS x;branch=z9hG4bK1\\r\\n\(head)\(method)\\r\\n\(more)\\r\\n"
                try browser.evaluate("received(\"\(text)\")")
                let answer = try browser.messages().dropFirst(before + 1).first ?? ""
                #expect(
                    answer.hasPrefix("SIP/2.0 \(status) ") && answer.contains("\r\nVia: SIP/2.0/WSS x;branch="),
                    "\(answer)")
            }
        }
    }

    @Test func aConnectionThatBreaksIsMadeAgain() throws {
        try run { browser, kamailio in
            try browser.register()
            try browser.evaluate("socket.close()")
            try browser.expect("registration", "no connection to the server")
            do {
                try browser.expect("registration", "registered as alice@127.0.0.1")
            } catch {
                Issue.record("\(error)\n\(browser.problems())\n\(kamailio.log.suffix(4000))")
            }
        }
    }

    @Test(arguments: [false, true]) func aPhoneShowsItWithoutScrollingSideways(isDark: Bool) throws {
        let folder = try TemporaryFolder()
        try run { browser, _ in
            try browser.register()
            try browser.photograph(to: folder.file("page.png"), width: 360, height: 800, isDark: isDark)
            #expect(try browser.evaluate("document.documentElement.scrollWidth <= innerWidth") == "true")
            let color = try browser.evaluate("getComputedStyle(document.body).backgroundColor")
            #expect(color == (isDark ? "rgb(15, 18, 22)" : "rgb(238, 240, 243)"))
            // Every control has a name, and the keyboard reaches all of them.
            let nameless =
                "[...document.querySelectorAll('input, select, button')].filter(one => !(one.labels?.length || one.textContent))"
            #expect(try browser.evaluate("\(nameless).length") == "0")
            #expect(try browser.evaluate("document.querySelectorAll('[tabindex]').length") == "0")
        }
    }

    @Test func itIsOneFileAndAsksNobodyElse() throws {
        let page = try String(contentsOfFile: "\(Example.folder)/webrtc/index.html", encoding: .utf8)
        #expect(page.hasPrefix("<!DOCTYPE html>") && page.hasSuffix("</html>\n"))
        for outside in ["src=", "href=", "@import", "url(", "innerHTML", "insertAdjacent", "document.write", "eval("] {
            #expect(!page.contains(outside), "\(outside)")
        }
    }
}
