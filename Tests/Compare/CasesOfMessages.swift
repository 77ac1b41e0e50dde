// SPDX-License-Identifier: GPL-2.0-or-later
// Cases over functions, messages, flags and identities, under one usual configuration.

import TestSupport

extension Scene {
    /// The configuration that most cases share.
    static var usual: Scene {
        Scene(
            name: "usual",
            nodes: [
                Node(name: "a"), Node(name: "b"), Node(name: "six", transport: .udp6),
                Node(name: "unix", transport: .unix), Node(name: "old", capabilities: ["20040107", "20050322"]),
                Node(name: "gone", dead: true),
            ],
            sockets: ["@a", "1 == @b", "6 == @six", "9 == @unix", "20 == @old", "66 == @gone"],
            texts: [("extra_id_pv", "$avp(extra)")],
            numbers: [("rtpproxy_tout", 1), ("rtpproxy_retr", 2), ("rtpproxy_disable_tout", 3600)],
            cases: functions + letters + combinations + descriptions + types + answers + addresses + routes + sets
                + twice + identities)
    }

    private static let allFunctions = [
        "offer", "answer", "manage", "destroy", "unforce", "stream2uac", "stream2uas", "stop2uac", "stop2uas", "record",
        "stat",
    ]

    static let requests: [Step] = [
        ("INVITE", false), ("INVITE", true), ("ACK", true), ("ACK", false), ("BYE", true), ("BYE", false),
        ("CANCEL", false), ("CANCEL", true), ("UPDATE", true), ("UPDATE", false), ("PRACK", true), ("OPTIONS", false),
        ("INFO", true), ("MESSAGE", false),
    ].map { Step(method: $0.0, toTag: $0.1, calls: []) }

    static let responses: [Step] = [
        ("INVITE", 180, true), ("INVITE", 183, true), ("INVITE", 183, false), ("INVITE", 200, true),
        ("INVITE", 200, false), ("INVITE", 302, true), ("INVITE", 486, true), ("INVITE", 486, false),
        ("INVITE", 600, true), ("UPDATE", 200, true), ("UPDATE", 488, true), ("PRACK", 200, true), ("PRACK", 481, true),
        ("BYE", 200, true), ("BYE", 481, true), ("CANCEL", 200, true), ("OPTIONS", 200, true), ("INFO", 500, true),
    ].map { Step(route: .reply, method: $0.0, status: $0.1, toTag: $0.2, calls: []) }

    /// Each function on each message, with and without SDP where that matters.
    static var functions: [Case] {
        var cases: [Case] = []
        for message in requests + responses {
            for function in allFunctions {
                for body in [Body.audio, Body.none] {
                    let takesSDP = ["offer", "answer", "manage"].contains(function)
                    if !takesSDP && body.name == "none" && message.method != "INVITE" { continue }
                    var step = message
                    step.body = body
                    step.calls = [Call(function)]
                    step.headers = [("X-Prompt", "/var/prompts/moh")]
                    cases.append(Case("function/\(function) in \(step.subject), body \(body.name)", step))
                }
            }
        }
        return cases
    }

    /// Every printable flag alone.
    static var letters: [Case] {
        let flags = (0x21...0x7E).compactMap { Unicode.Scalar($0).map { String(Character($0)) } }.filter { $0 != "\"" }
        var cases: [Case] = []
        for flag in flags {
            cases.append(Case("flag/\(flag) offer in INVITE", Step(calls: [Call("offer", flag)])))
            cases.append(
                Case(
                    "flag/\(flag) destroy in BYE",
                    Step(method: "BYE", toTag: true, calls: [Call("destroy", flag)], body: nil)))
            guard flag.first.map({ $0.isLetter || $0.isNumber }) == true else { continue }
            cases.append(
                Case("flag/\(flag) answer in 200", Step(route: .reply, toTag: true, calls: [Call("answer", flag)])))
            cases.append(Case("flag/\(flag) offer in re-INVITE", Step(toTag: true, calls: [Call("offer", flag)])))
            cases.append(
                Case("flag/\(flag) offer in 200", Step(route: .reply, toTag: true, calls: [Call("offer", flag)])))
            cases.append(
                Case("flag/\(flag) answer in ACK", Step(method: "ACK", toTag: true, calls: [Call("answer", flag)])))
            cases.append(Case("flag/\(flag) manage in INVITE", Step(calls: [Call("manage", flag)])))
            cases.append(
                Case(
                    "flag/\(flag) manage in BYE",
                    Step(method: "BYE", toTag: true, calls: [Call("manage", flag)], body: nil)))
        }
        return cases
    }

    /// Flags together, on a message with all that they need.
    static var combinations: [Case] {
        let flags = [
            "", "ie", "ei", "ii", "ee", "iei", "iiee", "wie", "iew", "eiw", "rw", "wr", "rfc", "co", "rco", "rx", "xie",
            "iex", "wx", "xw", "xx", "ax", "aie", "iea", "aa", "ww", "rr", "ar", "z20", "Z20", "z20ie", "iez20", "wz20",
            "z20w",
            "az20w", "z0", "z1", "z999", "z1000", "z12345", "z020", "z20z30", "z20 ", "z-1", "zz", "z 20", "z20x",
            "xz30",
            "1b", "b1", "12", "21", "13", "31", "123", "1r", "r1", "b2", "2b", "3b", "rb", "br", "B", "lr", "rl", "l1",
            "lb", "lie", "lz20", "lx", "la", "lw", "frwo", "f r", " ", "r ", "o", "co1", "t", "rt", "q", "rq", "qr",
            "1q",
            "rwfoctie1", "abceforwx1",
        ]
        var cases: [Case] = []
        for flag in flags {
            for extra in ["branch-7", nil] where extra != nil || flag.contains("b") {
                var offer = Step(calls: [Call("offer", flag)], body: .audioVideo)
                if let extra { offer.headers = [("X-Extra", extra)] }
                let name = "flags/'\(flag)'\(extra == nil ? " without extra id" : "")"
                cases.append(Case("\(name) offer", offer))
                var again = offer
                again.toTag = true
                again.body = .ipv6
                cases.append(Case("\(name) offer with to-tag, IPv6", again))
                var answer = Step(route: .reply, toTag: true, calls: [Call("answer", flag)])
                answer.headers = offer.headers
                cases.append(Case("\(name) answer", answer))
                var destroy = Step(method: "BYE", toTag: true, calls: [Call("destroy", flag)], body: nil)
                destroy.headers = offer.headers
                cases.append(Case("\(name) destroy", destroy))
            }
        }
        for family in [Family.ipv4, .ipv6] {
            for flag in ["", "r", "a", "x", "rx", "wie", "z20"] {
                for body in [Body.audio, .audioVideo, .ipv6] + [Body.called("IPv6 stream in IPv4 session")] {
                    cases.append(
                        Case(
                            "family/\(family.inSDP) signalling, '\(flag)', \(body.name)",
                            Step(calls: [Call("offer", flag)], body: body, family: family)))
                }
            }
        }
        return cases
    }

    /// Two functions on one message.
    static var twice: [Case] {
        var cases: [Case] = []
        for (first, second) in [
            ("offer", "offer"), ("offer", "answer"), ("offer", "destroy"), ("destroy", "offer"), ("offer", "stat"),
            ("manage", "offer"), ("offer", "manage"), ("destroy", "destroy"),
        ] {
            for flags in ["", "f"] {
                let step = Step(toTag: true, calls: [Call(first, flags), Call(second, flags)])
                cases.append(Case("twice/\(first), \(second) with '\(flags)'", step))
            }
        }
        let reply = Step(route: .reply, toTag: true, calls: [Call("answer"), Call("answer")])
        cases.append(Case("twice/answer, answer in 200", reply))
        return cases
    }

    /// Call-IDs, tags and branches out of the ordinary.
    static var identities: [Case] {
        var cases: [Case] = []
        for function in ["offer", "destroy", "stat", "stream2uac"] {
            for suffix in ["", " with blank", "@host;x=1", "%20", "<x>\"", "-\u{e9}"] {
                var step = Step(toTag: true, calls: [Call(function)])
                step.headers = [("X-Prompt", "moh")]
                var test = Case("identity/\(function), Call-ID '\(suffix)'", step)
                test.callIDSuffix = suffix
                cases.append(test)
            }
            for prompt in ["moh", "/a/b c", "", "session"] where function == "stream2uac" {
                var step = Step(toTag: true, calls: [Call(function)])
                step.headers = [("X-Prompt", prompt)]
                cases.append(Case("identity/prompt '\(prompt)'", step))
            }
            for from in [
                "<sip:a@example.com>", "<sip:a@example.com>;tag=", "<sip:a@example.com>;tag=\"x y\"",
                "<sip:a@example.com>;tag=a;b",
            ] {
                var step = Step(toTag: true, calls: [Call(function)])
                step.headers = [("From", from), ("X-Prompt", "moh")]
                cases.append(Case("identity/\(function), From \(from)", step))
            }
        }
        for flag in ["1", "2", "3"] {
            for function in ["offer", "destroy"] {
                var step = Step(calls: [Call(function, flag)])
                step.headers = [("Via", "")]
                cases.append(Case("identity/\(function) '\(flag)' with one Via", step))
                step.headers = [("Via", "SIP/2.0/UDP 192.0.2.98;branch=x")]
                cases.append(Case("identity/\(function) '\(flag)' with a strange branch", step))
                step.headers = [("Via", "SIP/2.0/UDP 192.0.2.98")]
                cases.append(Case("identity/\(function) '\(flag)' without a branch", step))
            }
        }
        for extra in ["", "a b", "<>", "x;y"] {
            var step = Step(calls: [Call("offer", "b")])
            step.headers = [("X-Extra", extra)]
            cases.append(Case("identity/extra id '\(extra)'", step))
        }
        return cases
    }
}
