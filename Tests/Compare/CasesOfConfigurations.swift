// SPDX-License-Identifier: GPL-2.0-or-later
// Scenes with other parameters, failing relays, RPC, and many weighted relays.

import TestSupport

extension Scene {
    static var all: [Scene] { [usual, parameters, unmarked, empty, failing, remote, balancing] }

    private static let candidateBodies = Body.descriptions.filter { $0.name.hasPrefix("candidate") } + [.audio]
    private static let markerBodies = Body.descriptions.filter { $0.name.contains("marker") } + [.audio]

    /// timeout_socket, ICE candidates, a marker of its own.
    static var parameters: Scene {
        var cases: [Case] = []
        for body in candidateBodies {
            for priority in [nil, "0", "1", "2", "3", "-1"] {
                for address in ["%p 198.51.100.7", "%p 2001:db8::7 6", "%p"] {
                    var step = Step(calls: [Call("manage", "o")], body: body)
                    if let priority { step.headers = [("X-Priority", priority)] }
                    let name = "candidates/\(body.name), priority \(priority ?? "none"), answer '\(address)'"
                    cases.append(Case(name, step, relay: .media(.text(address))))
                    guard priority == "1" else { continue }
                    step.calls = [Call("offer", "o")]
                    cases.append(Case(name + ", offer", step, relay: .media(.text(address))))
                }
            }
        }
        for body in markerBodies {
            cases.append(Case("marker/own, \(body.name)", Step(calls: [Call("offer", "o")], body: body)))
        }
        let flags = ["", "b", "l", "1"]
        for flag in flags {
            for body in [Body.audio, .audioVideo] {
                cases.append(
                    Case("notification/offer '\(flag)' \(body.name)", Step(calls: [Call("offer", flag)], body: body)))
                cases.append(
                    Case(
                        "notification/offer '\(flag)' with to-tag, \(body.name)",
                        Step(toTag: true, calls: [Call("offer", flag)], body: body)))
                cases.append(
                    Case(
                        "notification/answer '\(flag)' \(body.name)",
                        Step(route: .reply, toTag: true, calls: [Call("answer", flag)], body: body)))
            }
        }
        return Scene(
            name: "parameters", nodes: [Node(name: "a")], sockets: ["@a"],
            texts: [
                ("timeout_socket", "xmlrpc:http://127.0.0.1:8000/RPC2"), ("nortpproxy_str", "a=sdpmangled:yes\\r\\n"),
                ("ice_candidate_priority_avp", "$avp(priority)"),
            ],
            cases: cases)
    }

    /// No marker.
    static var unmarked: Scene {
        var cases: [Case] = []
        for body in markerBodies + Body.endings {
            cases.append(Case("unmarked/\(body.name)", Step(calls: [Call("offer", "o")], body: body)))
        }
        for flags in ["b", "rb"] {
            cases.append(Case("unmarked/flag \(flags) without extra_id_pv", Step(calls: [Call("offer", flags)])))
            cases.append(
                Case(
                    "unmarked/destroy \(flags) without extra_id_pv",
                    Step(method: "BYE", calls: [Call("destroy", flags)])))
        }
        cases.append(Case("unmarked/twice", Step(calls: [Call("offer"), Call("offer")])))
        return Scene(
            name: "unmarked", nodes: [Node(name: "a")], sockets: ["@a"], texts: [("nortpproxy_str", "")], cases: cases)
    }

    /// No relay at all.
    static var empty: Scene {
        var cases: [Case] = []
        for function in ["offer", "manage", "destroy", "unforce", "stream2uac", "stop2uac", "record", "stat"] {
            var step = Step(toTag: true, calls: [Call(function)])
            step.headers = [("X-Prompt", "moh")]
            cases.append(Case("empty/\(function)", step))
        }
        cases.append(Case("empty/answer", Step(route: .reply, toTag: true, calls: [Call("answer")])))
        cases.append(Case("empty/set 0", Step(calls: [Call("offer")], set: 0)))
        cases.append(Case("empty/set 1", Step(calls: [Call("offer")], set: 1)))
        cases.append(Case("empty/rpc list", Step.rpc("rtpproxy.list")))
        cases.append(Case("empty/rpc enable", Step.rpc("rtpproxy.enable", "udp:127.0.0.1:1", "1")))
        return Scene(name: "empty", nodes: [], sockets: [""], cases: cases)
    }

    /// Relays that say nothing, nonsense, or that they cannot: a set of its own for each case.
    static var failing: Scene {
        var nodes: [Node] = []
        var sockets: [String] = []
        var cases: [Case] = []
        func add(_ name: String, _ step: Step, _ replies: [String: [RelayScript.Reply]], count: Int = 2) {
            let set = sockets.count
            let names = ["a", "b", "c"].prefix(count).map { "\($0)\(set)" }
            nodes += names.map { Node(name: $0) }
            sockets.append("\(set) == " + names.map { "@\($0)" }.joined(separator: " "))
            var step = step
            step.set = set
            // "first.U" means the node of this set that the Call-ID hits; both carry the same script otherwise.
            let test = Case(
                "failing/\(name)", step, Step.rpc("rtpproxy.list"), relay: RelayScript(replies))
            cases.append(test)
        }
        let offer = Step(calls: [Call("offer", "o")])
        let answer = Step(route: .reply, toTag: true, calls: [Call("answer", "o")])
        var both = offer
        both.body = .audioVideo
        var deletion = Step(method: "BYE", toTag: true, calls: [Call("destroy")], body: nil)
        deletion.headers = [("X-Prompt", "moh")]
        var statistics = deletion
        statistics.calls = [Call("stat")]
        var prompt = deletion
        prompt.calls = [Call("stream2uac")]
        for (name, reply) in [
            ("silence", RelayScript.Reply.drop), ("nonsense", .text("hello")), ("empty", .text("")),
            ("no number", .text("x 198.51.100.7")), ("port too high", .text("65536")), ("negative", .text("-1")),
            ("error to create", .text("E72")), ("error", .text("E1")),
        ] {
            add("offer, \(name) from both", offer, ["U": [reply]])
            add("offer of two streams, \(name) to the second", both, ["U": [.text("%p"), reply]])
            add("answer, \(name)", answer, ["L": [reply]])
            if name == "silence" || name == "nonsense" || name == "empty" {
                add("destroy, \(name)", deletion, ["D": [reply]])
                add("statistics, \(name)", statistics, ["Q": [reply]])
                add("prompt, \(name)", prompt, ["P": [reply]])
            }
        }
        return Scene(
            name: "failing", nodes: nodes, sockets: sockets,
            numbers: [("rtpproxy_tout", 1), ("rtpproxy_retr", 1), ("rtpproxy_disable_tout", 3600)], cases: cases)
    }

    /// rtpproxy.list and rtpproxy.enable, and what calls make of it.
    static var remote: Scene {
        let list = Step.rpc("rtpproxy.list")
        let offer = Step(calls: [Call("offer", "o")])
        func enable(_ words: String...) -> Step { Step(calls: [], body: nil, rpc: ["rtpproxy.enable"] + words) }
        var cases = [
            Case("rpc/list", list),
            Case("rpc/disable and enable", enable("@a", "0"), list, offer, enable("@a", "1"), list, offer),
            Case(
                "rpc/disable both", enable("@a", "0"), enable("@b", "0"), list, offer, enable("@a", "1"),
                enable("@b", "1"), list, offer),
            Case("rpc/enable with a big number", enable("@a", "0"), enable("@a", "77"), list),
            Case(
                "rpc/disable twice", enable("@a", "0"), enable("@a", "0"), list, enable("@a", "1"), enable("@a", "1"),
                list),
            Case("rpc/an entry of two sets", enable("@c", "0"), list, enable("@c", "1"), list),
            Case("rpc/enable a dead one", enable("@gone", "1"), list, enable("@gone", "0"), list),
        ]
        for words in [
            [], ["@a"], ["udp:nowhere:1", "1"], ["@a", "x"], ["@a", "1x"], ["@a", "1", "2"], ["1", "@a"], ["", "1"],
            ["udp:nowhere:1"], ["@a", "s:1"],
        ] {
            cases.append(
                Case(
                    "rpc/enable \(words)", Step(calls: [], body: nil, rpc: ["rtpproxy.enable"] + words), list,
                    enable("@a", "1")))
        }
        cases.append(Case("rpc/list with a parameter", Step.rpc("rtpproxy.list", "x")))
        cases.append(Case("rpc/unknown command", Step.rpc("rtpproxy.show")))
        return Scene(
            name: "remote",
            nodes: [
                Node(name: "a"), Node(name: "b"), Node(name: "c"), Node(name: "d"), Node(name: "six", transport: .udp6),
                Node(name: "unix", transport: .unix), Node(name: "gone", dead: true),
            ],
            sockets: ["@a @b=2", "3 == @c", "@d=3", "2 == @c @six", "3 == @unix=5", "4 == @gone", "3 == @d"],
            numbers: [("rtpproxy_tout", 1), ("rtpproxy_retr", 1), ("rtpproxy_disable_tout", 3600)], cases: cases)
    }

    /// Weighted relays in several sets.
    static var balancing: Scene {
        let names = ["a", "b", "c", "d", "e", "f", "g"]
        return Scene(
            name: "balancing", nodes: names.map { Node(name: $0) },
            sockets: [
                "@a @b", "1 == @a=3 @b=1 @c=2", "2 == @g @f @e @d @c @b @a", "3 == @a=50 @b=51",
                "4 == @a=1 @b=200 @c=99",
                "5 == @c", "5 == @a=2 @c=4", "6 == @a @a @b=2",
            ],
            texts: [("extra_id_pv", "$avp(extra)")],
            cases: [Case("balancing/list", Step.rpc("rtpproxy.list"))], balancedSets: 7,
            balancingFlags: [nil, "1", "b"])
    }
}
