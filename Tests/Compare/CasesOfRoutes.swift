// SPDX-License-Identifier: GPL-2.0-or-later
// Cases over routes, transactions and sets.

import TestSupport

extension Scene {
    /// The functions in other routes.
    static var routes: [Case] {
        var cases: [Case] = []
        for function in ["offer", "answer", "manage", "destroy", "unforce", "record", "stat", "stream2uac", "stop2uac"]
        {
            for route in [Step.Route.branch, .failure, .branchFailure] {
                for body in [Body.audio, .none] {
                    var step = Step(
                        route: route, status: route == .branch ? 200 : 486, calls: [Call(function)], body: body)
                    step.headers = [("X-Prompt", "moh")]
                    cases.append(Case("route/\(route.rawValue) \(function), body \(body.name)", step))
                }
            }
        }
        for status in [183, 200, 302, 486] {
            for (offered, answered) in [(true, true), (true, false), (false, true), (false, false)] {
                for first in [[Call("manage")], []] {
                    let step = Step(
                        route: .transaction, status: status, calls: first, body: offered ? .audio : Body.none,
                        replyCalls: [Call("manage")], replyBody: answered ? .audio : Body.none)
                    let what = "\(offered ? "SDP" : "no SDP") in INVITE, \(answered ? "SDP" : "no SDP") in \(status)"
                    cases.append(Case("manage/\(first.isEmpty ? "reply only" : "both ways"), \(what)", step))
                }
            }
            let step = Step(
                route: .transaction, status: status, calls: [Call("offer")], replyCalls: [Call("answer")],
                replyBody: .audio)
            cases.append(Case("route/offer and answer through a transaction, \(status)", step))
        }
        for method in ["UPDATE", "PRACK", "BYE", "INFO", "OPTIONS"] {
            for status in [200, 488] {
                let step = Step(
                    route: .transaction, method: method, status: status, toTag: true, calls: [Call("manage")],
                    replyCalls: [Call("manage")], replyBody: .audio)
                cases.append(Case("manage/\(method), \(status)", step))
            }
        }
        let late = Step(
            route: .transaction, calls: [Call("manage")], body: Body.none, replyCalls: [Call("manage")],
            replyBody: .audio)
        let ack = Step(method: "ACK", toTag: true, calls: [Call("manage")])
        cases.append(Case("manage/late offer and its ACK", late, ack))
        return cases
    }

    /// set_rtp_proxy_set and what stays of it.
    static var sets: [Case] {
        var cases: [Case] = []
        for set in [0, 1, 6, 9, 20, 66, 7, -1, 100] {
            for function in ["offer", "destroy", "stat", "record", "stream2uac"] {
                var step = Step(toTag: function != "offer", calls: [Call(function)], set: set)
                step.headers = [("X-Prompt", "moh")]
                cases.append(Case("set/\(set) \(function)", step))
            }
        }
        for flags in ["z20", "c", "x", ""] {
            cases.append(Case("set/20 old relay, offer '\(flags)'", Step(calls: [Call("offer", flags)], set: 20)))
        }
        for text in ["1", "0", "01", "1 ", " 1", "x", "", "7", "-1", "99999999999"] {
            cases.append(Case("set/text '\(text)'", Step(calls: [Call("offer")], setText: text)))
        }
        cases.append(
            Case(
                "set/holds within the message",
                Step(toTag: true, calls: [Call("set1"), Call("destroy")], body: nil)))
        cases.append(
            Case("set/first a set, then set 0", Step(calls: [Call("set0"), Call("offer")], set: 1)))
        cases.append(
            Case(
                "set/does not hold for the next message", Step(toTag: true, calls: [Call("offer")], set: 1),
                Step(method: "BYE", toTag: true, calls: [Call("destroy")], body: nil)))
        cases.append(
            Case(
                "set/of a wrong set, then the next message", Step(calls: [Call("offer")], set: 7),
                Step(toTag: true, calls: [Call("offer")])))
        let step = Step(
            route: .transaction, calls: [Call("offer")], replyCalls: [Call("answer")], replyBody: .audio, set: 1)
        cases.append(Case("set/of the request in its reply", step))
        return cases
    }
}
