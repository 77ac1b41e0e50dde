// SPDX-License-Identifier: GPL-2.0-or-later
// Descriptions of browsers, and a relay that has the modules for them.

import Foundation
import TestSupport

@testable import CallControl

/// Descriptions of browsers.
enum Browser {
    static let fingerprint = String(repeating: "AB:", count: 31) + "CD"
    static let otherFingerprint = String(repeating: "AB:", count: 31) + "EF"
    static let password = String(repeating: "p", count: 22)

    static func audio(
        ufrag: String = "abcd", fingerprint: String = fingerprint, setup: String = "actpass", candidates: Int = 1,
        lines: [String] = []
    ) -> String {
        SDPText.text(
            [
                "v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0", "m=audio 9 UDP/TLS/RTP/SAVPF 0",
                "c=IN IP4 0.0.0.0", "a=mid:0", "a=rtcp-mux", "a=ice-ufrag:\(ufrag)", "a=ice-pwd:\(password)",
                "a=fingerprint:sha-256 \(fingerprint.lowercased())", "a=setup:\(setup)",
                "a=candidate:2 1 udp 2113937151 browser.local 5555 typ host",
            ] + (0..<candidates).map { "a=candidate:1 1 udp 2113937151 192.0.2.\($0) 5555 typ host generation 0" }
                + lines + ["a=rtpmap:0 PCMU/8000"])
    }
}

/// A relay with both modules, as RTPProxy answers.
enum ModuleRelay {
    static let ice = "relay pppppppppppppppppppppppp c:7f000001%201%20UDP%201%20127.0.0.1%2035470%20typ%20host"
    static let fingerprint = String(repeating: "12:", count: 31) + "34"

    @Sendable static func answer(_ command: String) -> String? { answer(command, setup: nil) }

    static func answer(_ command: String, setup: String?) -> String? {
        let parts = command.components(separatedBy: " && ")
        var replies = parts.dropFirst().map { part in
            if part == "M4:1 S" {
                let role = setup ?? (command.hasPrefix("U") ? "actpass" : "passive")
                return "\(role) SHA-256 \(fingerprint)"
            }
            return part == "M5:1 S" ? ice : "0"
        }
        while replies.last == "0" { replies.removeLast() }
        guard let first = Responder.usual(parts[0]) else { return nil }
        return ([first] + replies).joined(separator: " && ")
    }
}

/// What tests of browsers have in common.
enum WebRTCBench {
    static let cid = "call-1@example.org"
    static let peer =
        " && M5:1 A abcd \(Browser.password) && M5:1 C 1 1 UDP 2113937151 192.0.2.0 5555 typ host"
        + " && M4:1 A sha-256 \(Browser.fingerprint)"

    static func stage(
        _ script: @escaping Responder.Script = ModuleRelay.answer
    ) throws -> (Responder, SIPWorker) {
        let responder = try Responder(script)
        return (responder, try SIPWorker([responder.url], features: [.webRTC, .figuresAndDelete], remembers: true))
    }

    static func answerer(_ body: String, _ tag: String = "tt") -> FakeCall {
        FakeCall(.invite, status: 200, toTag: tag, body: body)
    }
}
