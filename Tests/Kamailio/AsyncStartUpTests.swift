// SPDX-License-Identifier: GPL-2.0-or-later
// Configurations of the asynchronous functions that Kamailio must refuse, and the ones that it must take.

import Foundation
import TestSupport
import Testing

@Suite struct AsyncStartUpTests {
    /// The routes of a script that calls one function and has a route to go on in.
    private static func routes(_ call: String) -> String {
        "request_route {\n    \(call);\n}\nroute[NEXT] { t_relay(); }"
    }

    /// Starts with this configuration, which must be refused, and returns the module's error lines.
    private func refusal(
        _ call: String = "t_relay()", _ change: (inout KamailioConfiguration) -> Void = { _ in }
    ) throws -> (lines: [String], log: String) {
        let log = try Kamailio.startUpFailure(
            Stage.configuration {
                $0.set("rtpproxy_sock", "udp:127.0.0.1:22222")
                $0.routes = Self.routes(call)
                change(&$0)
            })
        return (log.split(separator: "\n").map(String.init).filter { $0.contains(" ERROR: rtpproxy ") }, log)
    }

    private static let calls = [
        "rtpproxy_offer_async(\"NEXT\")", "rtpproxy_offer_async(\"NEXT\", \"r\")",
        "rtpproxy_offer_async(\"NEXT\", \"r\", \"192.0.2.1\")", "rtpproxy_offer_async(\"$var(next)\")",
        "rtpproxy_answer_async(\"NEXT\")", "rtpproxy_answer_async(\"NEXT\", \"r\")",
        "rtpproxy_answer_async(\"NEXT\", \"r\", \"192.0.2.1\")", "rtpproxy_manage_async(\"NEXT\")",
        "rtpproxy_manage_async(\"NEXT\", \"r\")", "rtpproxy_manage_async(\"NEXT\", \"r\", \"192.0.2.1\")",
        "rtpproxy_destroy_async()", "rtpproxy_destroy_async(\"t\")",
    ]

    @Test(arguments: calls) func functionsWithoutProcessesAreRefused(call: String) throws {
        let (lines, log) = try refusal(call) { $0.set("rtpproxy_async_processes", 0) }
        #expect(lines.contains { $0.contains("rtpproxy_async_processes") }, "\(log.suffix(2000))")
        #expect(log.contains("kamailio.cfg:"))
    }

    @Test func allFunctionsAreTakenWhereThereIsAProcess() throws {
        let configuration = try Stage.configuration {
            $0.set("rtpproxy_async_processes", 2)
            $0.set("rtpproxy_async_max", 65_000)
            $0.set("rtpproxy_async_continue", "process")
            $0.routes = Self.routes(Self.calls.joined(separator: ";\n    "))
        }
        #expect(try Kamailio.starts(configuration))
    }

    @Test func withoutAFunctionInTheScriptNoProcessIsNeeded() throws {
        let change = { (configuration: inout KamailioConfiguration) in
            configuration.set("rtpproxy_async_processes", 0)
            configuration.routes = Self.routes("t_relay()")
        }
        try Stage.own([], settled: false, change) { (kamailio) throws in
            var names: [String] = []
            func lists(_ name: String) throws -> Bool {
                names = try kamailio.processes().map(\.name)
                return names.contains(name)
            }
            // They are listed as soon as they have got so far, this one before those that are not to come.
            #expect(try waitUntil(10) { try lists("RTPProxy monitor") })
            #expect(try !waitUntil(1) { try lists("RTPProxy async") })
            #expect(names.filter { $0 == "RTPProxy monitor" }.count == 1)
        }
    }

    @Test(arguments: [1, 3]) func thereAreAsManyProcessesAsAskedFor(count: Int) throws {
        // 1 is the default.
        let change = { (configuration: inout KamailioConfiguration) in
            if count != 1 { configuration.set("rtpproxy_async_processes", count) }
        }
        try Stage.own([], settled: false, change) { (kamailio) throws in
            // They are listed as soon as they have got so far.
            let all = try waitUntil(10) {
                try kamailio.processes().filter { $0.name == "RTPProxy async" }.count == count
            }
            #expect(all)
        }
    }

    @Test(arguments: ["offer", "answer", "manage"], ["NOWHERE", "next", ""])
    func routesThatDoNotExistAreQuotedWithTheirLine(function: String, route: String) throws {
        for parameters in ["", ", \"r\"", ", \"r\", \"192.0.2.1\""] {
            let (lines, log) = try refusal("rtpproxy_\(function)_async(\"\(route)\"\(parameters))")
            #expect(lines.contains { $0.contains("route[\(route)]") }, "\(log.suffix(2000))")
            #expect(log.contains("kamailio.cfg:"))
        }
    }

    @Test func malformedParametersAreRefused() throws {
        for call in [
            "rtpproxy_offer_async(\"$var(\")", "rtpproxy_offer_async(\"NEXT\", \"$var(\")",
            "rtpproxy_offer_async(\"NEXT\", \"r\", \"$nosuch(x)\")", "rtpproxy_destroy_async(\"$var(\")",
        ] {
            let (_, log) = try refusal(call)
            #expect(log.contains("kamailio.cfg:"), "\(call): \(log.suffix(2000))")
        }
    }

    /// The routes whose messages tm cannot make wait.
    @Test(arguments: ["branch_route[B]", "onsend_route", "onreply_route"])
    func routesWhereNothingCanWaitAreRefused(route: String) throws {
        let (_, log) = try refusal { $0.routes += "\n\(route) { rtpproxy_offer_async(\"NEXT\"); }" }
        #expect(log.contains("rtpproxy_offer_async"), "\(log.suffix(2000))")
    }

    @Test func deletionIsTakenInEveryRoute() throws {
        let routes = ["branch_route[B]", "event_route[tm:branch-failure:B]", "onreply_route", "failure_route[B]"]
        let configuration = try Stage.configuration {
            $0.routes = Self.routes("t_relay()")
            for route in routes { $0.routes += "\n\(route) { rtpproxy_destroy_async(); }" }
        }
        #expect(try Kamailio.starts(configuration))
    }

    @Test func workersThatTheCoreDoesNotHaveAreRefused() throws {
        let (lines, log) = try refusal { $0.set("rtpproxy_async_continue", "workers") }
        #expect(
            lines.contains { $0.contains("rtpproxy_async_continue") && $0.contains("async_workers") },
            "\(log.suffix(2000))")
    }

    @Test func workersOfTheCoreAreTaken() throws {
        let configuration = try Stage.configuration {
            $0.preamble = "async_workers=1"
            $0.set("rtpproxy_async_continue", "workers")
        }
        #expect(try Kamailio.starts(configuration))
    }

    @Test(arguments: [
        ("rtpproxy_async_processes", "-1"), ("rtpproxy_async_processes", "17"), ("rtpproxy_async_max", "0"),
        ("rtpproxy_async_max", "65001"), ("rtpproxy_async_continue", "worker"), ("rtpproxy_async_continue", ""),
    ])
    func badValuesAreQuotedWithTheirParameter(name: String, value: String) throws {
        let (lines, log) = try refusal {
            if let number = Int(value) { $0.set(name, number) } else { $0.set(name, value) }
        }
        #expect(lines.contains { $0.contains(name) && $0.contains("\"\(value)\"") }, "\(log.suffix(2000))")
    }

    @Test(arguments: ["rtpproxy_async_processes", "rtpproxy_async_max"]) func textForANumberIsRefused(name: String)
        throws
    {
        let (_, log) = try refusal { $0.set(name, "many") }
        #expect(log.split(separator: "\n").contains { $0.contains("ERROR") && $0.contains(name) })
    }
}
