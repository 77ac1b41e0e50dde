// SPDX-License-Identifier: GPL-2.0-or-later
// Cases over session descriptions, body types, and the answers of the relays.

import TestSupport

extension Scene {
    /// Each description with the flags that change what becomes of it, and answers of each family.
    static var descriptions: [Case] {
        var cases: [Case] = []
        let answers: [(String, RelayScript)] = [
            ("address", RelayScript()), ("port", .media(.text("%p"))), ("IPv6", .media(.text("%p 2001:db8::7 6"))),
        ]
        for body in Body.descriptions {
            for (name, relay) in answers {
                for flags in ["", "r", "rco"] {
                    // A body that is refused is so whatever the relay would say.
                    if body.properties.contains(.malformed) && (name != "address" || flags == "rco") { continue }
                    cases.append(
                        Case(
                            "sdp/\(body.name), offer '\(flags)', answer with \(name)",
                            Step(calls: [Call("offer", flags)], body: body), relay: relay))
                }
            }
            cases.append(Case("sdp/\(body.name), offer 'f'", Step(calls: [Call("offer", "fo")], body: body)))
            cases.append(
                Case(
                    "sdp/\(body.name), answer",
                    Step(route: .reply, toTag: true, calls: [Call("answer", "o")], body: body)))
            cases.append(Case("sdp/\(body.name), manage 'x'", Step(calls: [Call("manage", "xo")], body: body)))
        }
        return cases
    }

    /// Each body type with offer, answer, manage.
    static var types: [Case] {
        var cases: [Case] = []
        for body in Body.types {
            cases.append(Case("type/\(body.name), offer", Step(calls: [Call("offer", "o")], body: body)))
            cases.append(
                Case(
                    "type/\(body.name), answer",
                    Step(route: .reply, toTag: true, calls: [Call("answer", "o")], body: body)))
            cases.append(Case("type/\(body.name), manage", Step(calls: [Call("manage", "o")], body: body)))
        }
        return cases
    }

    /// What relays may say. Those that make a module give the relay up stand in the scene `failing`.
    static let relayTexts = [
        "%p", "%p 198.51.100.7", "%p 198.51.100.7 4", "%p 2001:db8::7 6", "%p 2001:db8::7", "%p 198.51.100.7 6",
        "%p 198.51.100.7 more words", "%p  198.51.100.7", "%p ", " %p", "0", "0 198.51.100.7", "E0", "E1", "E6", "E7",
        "E8",
        "E10", "E13", "E14", "E35", "E36", "E50", "E71", "E72", "E75", "E81", "E98", "E99", "E999", "E", "e50",
        "E50 no session",
    ]

    /// Answers to offer, answer, lookup, delete, prompts, recording and statistics.
    static var answers: [Case] {
        var cases: [Case] = []
        for text in relayTexts {
            cases.append(
                Case("reply/'\(text)' to offer", Step(calls: [Call("offer", "o")]), relay: .media(.text(text))))
            cases.append(
                Case(
                    "reply/'\(text)' to offer with to-tag", Step(toTag: true, calls: [Call("offer", "o")]),
                    relay: .media(.text(text))))
            cases.append(
                Case(
                    "reply/'\(text)' to answer", Step(route: .reply, toTag: true, calls: [Call("answer", "o")]),
                    relay: .media(.text(text))))
            cases.append(
                Case(
                    "reply/'\(text)' to the second stream of an offer",
                    Step(calls: [Call("offer", "o")], body: .audioVideo),
                    relay: .media(.text("%p 198.51.100.7"), .text(text))))
            cases.append(
                Case(
                    "reply/'\(text)' to lookup", Step(toTag: true, calls: [Call("offer", "lo")]),
                    relay: .media(.text(text))))
        }
        for text in ["0", "1", "E0", "E1", "E31", "E35", "E50", "E60", "E72", "E99", "60 11 22 33 0", "words"] {
            for (function, verb) in [
                ("destroy", "D"), ("unforce", "D"), ("stream2uac", "P"), ("stop2uac", "S"), ("record", "R"),
                ("stat", "Q"), ("ppstat", "Q"),
            ] {
                var step = Step(method: "INFO", toTag: true, calls: [Call(function)], body: nil)
                step.headers = [("X-Prompt", "moh")]
                cases.append(
                    Case("reply/'\(text)' to \(function)", step, relay: RelayScript([verb: [.text(text)]])))
            }
        }
        cases.append(
            Case(
                "reply/addresses that differ by stream", Step(calls: [Call("offer", "o")], body: .audioVideo),
                relay: .media(.text("%p 198.51.100.7"), .text("%p 198.51.100.8"))))
        cases.append(
            Case(
                "reply/families that differ by stream", Step(calls: [Call("offer", "o")], body: .audioVideo),
                relay: .media(.text("%p 198.51.100.7"), .text("%p 2001:db8::8 6"))))
        return cases
    }

    /// The ip_address parameter, and what is written where the relay gives no address.
    static var addresses: [Case] {
        var cases: [Case] = []
        for ip in ["203.0.113.5", "2001:db8::5", "[2001:db8::5]", "", "host.example.com", "0.0.0.0", "203.0.113.5 x"] {
            for flags in ["", "o", "rco"] {
                for body in [Body.audio, .audioVideo, .ipv6, .called("hold")] {
                    cases.append(
                        Case(
                            "address/'\(ip)', offer '\(flags)', \(body.name)",
                            Step(calls: [Call("offer", flags, ip: ip)], body: body)))
                }
            }
            cases.append(
                Case(
                    "address/'\(ip)', answer",
                    Step(route: .reply, toTag: true, calls: [Call("answer", "o", ip: ip)])))
            cases.append(Case("address/'\(ip)', manage", Step(calls: [Call("manage", "o", ip: ip)])))
        }
        for family in [Family.ipv4, .ipv6] {
            for body in [Body.audio, .ipv6] {
                cases.append(
                    Case(
                        "address/none given, \(family.inSDP) signalling, \(body.name)",
                        Step(calls: [Call("offer", "o")], body: body, family: family), relay: .media(.text("%p"))))
            }
        }
        for flags in ["o", "ro"] {
            cases.append(
                Case(
                    "address/none given, advertised listener, '\(flags)'",
                    Step(calls: [Call("offer", flags)], advertised: true), relay: .media(.text("%p"))))
        }
        return cases
    }
}
