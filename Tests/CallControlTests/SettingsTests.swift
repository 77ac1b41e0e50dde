// SPDX-License-Identifier: GPL-2.0-or-later
// The parameters: defaults, ranges, faults, and rows of the database.

import Bytes
import SharedState
import Testing

@testable import CallControl

@Suite struct SettingsTests {
    private func settings(_ set: (inout Settings) -> Void) -> Settings {
        var settings = Settings()
        set(&settings)
        settings.finish()
        return settings
    }

    private func urls(_ settings: Settings) -> [String] {
        settings.nodes.map { String(decoding: $0.url, as: UTF8.self) }
    }

    @Test func theDefaultsAreThoseOfTheManual() {
        let settings = settings { _ in }
        #expect(settings.disableSeconds == 60)
        #expect(settings.timeoutMilliseconds == 1000)
        #expect(settings.tries == 5)
        #expect(settings.budgetNanoseconds == 5_000_000_000)
        #expect(String(decoding: settings.marker, as: UTF8.self) == "a=nortpproxy:yes")
        #expect(settings.timeoutSocket.isEmpty)
        #expect(!settings.rewritesOrigin)
        #expect(settings.asyncProcesses == 1)
        #expect(settings.asyncMaximum == 10_000)
        #expect(!settings.continuesInWorkers)
        #expect(settings.nodes.isEmpty)
        #expect(settings.faults.isEmpty && settings.warnings.isEmpty)
    }

    @Test func aParameterOfAnotherNameIsNotTaken() {
        var settings = Settings()
        #expect(settings.text("rtpproxy_sockets", "udp:a") == false)
        #expect(settings.text("rtpproxy_tout", "1") == false)
        #expect(settings.text("", "") == false)
        #expect(settings.number("rtpproxy_sock", 1) == false)
        #expect(settings.number("rtpproxy_tou", 1) == false)
        #expect(settings.faults.isEmpty)
    }

    // MARK: - Sockets

    @Test func repeatedLinesAddToASet() {
        let settings = settings {
            $0.text("rtpproxy_sock", "udp:a:1")
            $0.text("rtpproxy_sock", "1 == udp:b:1 udp:c:1")
            $0.text("rtpproxy_sock", "udp:d:1=7")
            $0.text("rtpproxy_sock", "1 == udp:a:1")
        }
        // Those of a set lie side by side, and keep their place in order of definition.
        #expect(urls(settings) == ["udp:a:1", "udp:d:1", "udp:b:1", "udp:c:1", "udp:a:1"])
        #expect(settings.nodes.map(\.setID) == [0, 0, 1, 1, 1])
        #expect(settings.nodes.map(\.index) == [0, 3, 1, 2, 4])
        #expect(settings.nodes.map(\.weight) == [1, 7, 1, 1, 1])
        #expect([0, 1, 2, -1, Int64.max].map { settings.hasSet($0) } == [true, true, false, false, false])
        // 2^32 + 1 is not 1.
        #expect(!settings.hasSet(4_294_967_297))
    }

    @Test(arguments: ["", " ", "\t  "])
    func anEmptySocketIsNoRTPProxyAndNoFault(_ value: String) {
        let settings = settings { $0.text("rtpproxy_sock", value) }
        #expect(settings.nodes.isEmpty && settings.faults.isEmpty && settings.warnings.isEmpty)
    }

    @Test func faultsNameTheParameterAndQuoteTheEntry() {
        let settings = settings {
            $0.text("rtpproxy_sock", "udp:a:1 udp:b:x udp:c:1")
            $0.text("rtpproxy_sock", "5 ==")
            $0.text("rtpproxy_sock", "udp:d:1")
            $0.number("rtpproxy_tout", 0)
        }
        #expect(
            settings.faultTexts == [
                "parameter rtpproxy_sock: \"udp:b:x\": port is neither a number of 1..65535 nor a service that this system knows",
                "parameter rtpproxy_sock: \"5 ==\": no RTPProxy behind ==",
                "parameter rtpproxy_tout: \"0\": is below 1",
            ])
    }

    @Test func aFaultIsPrintableAndBounded() throws {
        let settings = settings { $0.text("rtpproxy_sock", "udp:\u{1B}[31mé" + String(repeating: "x", count: 9999)) }
        let fault = try #require(settings.faults.first)
        #expect(fault.count < 500)
        #expect(fault.allSatisfy { $0 >= 0x20 && $0 < 0x7F })
    }

    // MARK: - Numbers

    @Test(arguments: ["rtpproxy_tout", "rtpproxy_retr"], [0, -1, Int.min])
    func timesAndTriesBelow1AreFaults(_ name: String, _ value: Int) {
        let settings = settings { $0.number(name, value) }
        #expect(settings.faultTexts == ["parameter \(name): \"\(value)\": is below 1"])
    }

    @Test(arguments: [
        (1, 1, 1_000_000_000), (2, 3, 6_000_000_000), (1, 5, 5_000_000_000), (10, 1, 10_000_000_000 as UInt64),
    ])
    func theBudgetIsTheTimeoutTimesTheTries(_ seconds: Int, _ tries: Int, _ expected: UInt64) {
        let settings = settings {
            $0.number("rtpproxy_tout", seconds)
            $0.number("rtpproxy_retr", tries)
        }
        #expect(settings.budgetNanoseconds == expected)
        #expect(settings.faults.isEmpty)
    }

    @Test func theTimeMayBeGivenInMilliseconds() {
        let settings = settings {
            $0.number("rtpproxy_tout_ms", 250)
            $0.number("rtpproxy_retr", 4)
        }
        #expect(settings.faultTexts.isEmpty)
        #expect(settings.budgetNanoseconds == 1_000_000_000)
    }

    @Test func secondsAndMillisecondsAtOnceAreAFault() {
        let settings = settings {
            $0.number("rtpproxy_tout", 1)
            $0.number("rtpproxy_tout_ms", 250)
        }
        #expect(
            settings.faultTexts == [
                "parameter rtpproxy_tout_ms: \"250\": rtpproxy_tout is given, too: give one of the two"
            ])
    }

    @Test(arguments: [("rtpproxy_ping_interval", -1), ("rtpproxy_call_table_size", -5), ("rtpproxy_hedging", -1)])
    func intervalsAndSizesBelow0AreFaults(_ name: String, _ value: Int) {
        let settings = settings { $0.number(name, value) }
        #expect(settings.faultTexts == ["parameter \(name): \"\(value)\": is below 0"])
    }

    @Test(arguments: [(59, "below 60"), (2_592_001, "above 2592000")])
    func aLifetimeOutOfRangeIsAFault(_ value: Int, _ reason: String) {
        let settings = settings { $0.number("rtpproxy_call_lifetime", value) }
        #expect(settings.faultTexts == ["parameter rtpproxy_call_lifetime: \"\(value)\": is \(reason)"])
    }

    // MARK: - Asynchronous processes

    @Test(arguments: [(0, 1), (3, 500), (16, 65_000)])
    func asyncNumbersAreTakenUpToTheirEnds(_ processes: Int, _ maximum: Int) {
        let settings = settings {
            $0.number("rtpproxy_async_processes", processes)
            $0.number("rtpproxy_async_max", maximum)
        }
        #expect(settings.faultTexts.isEmpty)
        #expect(settings.asyncProcesses == processes)
        #expect(settings.asyncMaximum == maximum)
    }

    @Test(arguments: [
        ("rtpproxy_async_processes", -1, "is below 0"), ("rtpproxy_async_processes", 17, "is above 16"),
        ("rtpproxy_async_processes", Int.min, "is below 0"), ("rtpproxy_async_max", 0, "is below 1"),
        ("rtpproxy_async_max", -1, "is below 1"), ("rtpproxy_async_max", 65_001, "is above 65000"),
        ("rtpproxy_async_max", Int.max, "is above 65000"),
    ])
    func asyncNumbersOutOfRangeAreFaults(_ name: String, _ value: Int, _ reason: String) {
        let settings = settings { $0.number(name, value) }
        #expect(settings.faultTexts == ["parameter \(name): \"\(value)\": \(reason)"])
    }

    @Test func routesContinueWhereTheyAreTold() {
        #expect(settings { $0.text("rtpproxy_async_continue", "workers") }.continuesInWorkers)
        let last = settings {
            $0.text("rtpproxy_async_continue", "workers")
            $0.text("rtpproxy_async_continue", "process")
        }
        #expect(!last.continuesInWorkers && last.faults.isEmpty)
    }

    @Test(arguments: ["", "worker", "Workers", "process ", "workers\u{0}"])
    func anUnknownPlaceToContinueIsAFault(_ text: String) {
        let faults = settings { $0.text("rtpproxy_async_continue", text) }.faultTexts
        #expect(faults.count == 1)
        #expect(
            faults.allSatisfy {
                $0.hasPrefix("parameter rtpproxy_async_continue: \"")
                    && $0.hasSuffix("\": is neither process nor workers")
            }, "\(faults)")
    }

    @Test(arguments: ["", "hash", "Rendezvous", "callid "])
    func anUnknownBalancingIsAFault(_ text: String) {
        let settings = settings { $0.text("rtpproxy_balancing", text) }
        #expect(settings.faultTexts == ["parameter rtpproxy_balancing: \"\(text)\": is neither callid nor rendezvous"])
    }

    @Test(arguments: [(Int.max, 1), (1, Int.max), (Int.max, Int.max), (1 << 40, 1 << 40)])
    func aBudgetBeyondAllTimeDoesNotOverflow(_ seconds: Int, _ tries: Int) {
        let settings = settings {
            $0.number("rtpproxy_tout", seconds)
            $0.number("rtpproxy_retr", tries)
        }
        #expect(settings.budgetNanoseconds >= UInt64(Int.max) / 2)
        #expect(settings.longestFirstWait > 0)
    }

    /// A small rtpproxy_tout must leave room for a second try within it.
    @Test func theFirstWaitIsAQuarterOfTheTimeout() {
        #expect(settings { $0.number("rtpproxy_tout", 1) }.longestFirstWait == 250_000_000)
        #expect(settings { $0.number("rtpproxy_tout", 4) }.longestFirstWait == 1_000_000_000)
    }

    @Test(arguments: [0, 1, 60, -1, Int.min, Int.max])
    func theDisableTimeMayBeAnyNumber(_ value: Int) {
        let settings = settings { $0.number("rtpproxy_disable_tout", value) }
        #expect(settings.disableSeconds == value)
        #expect(settings.faults.isEmpty)
    }

    @Test func theOriginIsRewrittenWhereItIsAskedFor() {
        #expect(settings { $0.number("rewrite_origin", 1) }.rewritesOrigin)
        #expect(!settings { $0.number("rewrite_origin", 0) }.rewritesOrigin)
    }

    // MARK: - Texts

    @Test(arguments: [
        ("a=sdpmangled:yes\r\n", "a=sdpmangled:yes"), ("a=sdpmangled:yes", "a=sdpmangled:yes"),
        ("a=x\n", "a=x"), ("a=x\r", "a=x"), ("a=x\r\n\r\n", "a=x"), ("", ""), ("\r\n", ""),
    ])
    func theMarkerIsALineWithOrWithoutItsEnd(_ value: String, _ expected: String) {
        let settings = settings { $0.text("nortpproxy_str", value) }
        #expect(String(decoding: settings.marker, as: UTF8.self) == expected)
        #expect(settings.faults.isEmpty)
    }

    @Test(arguments: [
        ("a=x\r\na=y", "is more than one line"), ("a=x\ny", "is more than one line"),
        ("nortpproxy", "is not an SDP line like a=nortpproxy:yes"), ("a", "is not an SDP line like a=nortpproxy:yes"),
        ("a=", "is not an SDP line like a=nortpproxy:yes"), ("=", "is not an SDP line like a=nortpproxy:yes"),
    ])
    func aMarkerThatIsNoLineIsAFault(_ value: String, _ reason: String) {
        let faults = settings { $0.text("nortpproxy_str", value) }.faultTexts
        #expect(faults.count == 1)
        #expect(faults.allSatisfy { $0.hasPrefix("parameter nortpproxy_str: ") && $0.hasSuffix(reason) })
    }

    @Test func theTimeoutSocketIsOneWord() {
        let good = settings { $0.text("timeout_socket", "unix:/run/timeout.sock") }
        #expect(String(decoding: good.timeoutSocket, as: UTF8.self) == "unix:/run/timeout.sock")
        #expect(good.faults.isEmpty)
        for value in ["unix:/run/a b", "a\tb", "a\nb", "a\u{0}b", "a\u{7F}", " a"] {
            let faults = settings { $0.text("timeout_socket", value) }.faultTexts
            #expect(faults.count == 1 && faults[0].hasPrefix("parameter timeout_socket: "), "\(value.debugDescription)")
        }
    }

    // MARK: - Database

    @Test func socketsAreIgnoredWithAWarningWhereADatabaseIs() {
        for order in [["db_url", "rtpproxy_sock"], ["rtpproxy_sock", "db_url"]] {
            let settings = settings { settings in
                for name in order { settings.text(name, name == "db_url" ? "sqlite:///x" : "udp:a:1") }
                addRow(&settings, "0", "udp:b:1")
            }
            #expect(settings.warningTexts == ["parameter rtpproxy_sock: ignored, the sets come from db_url"])
            #expect(urls(settings) == ["udp:b:1"], "\(order)")
        }
        #expect(settings { $0.text("db_url", "sqlite:///x") }.warnings.isEmpty)
    }

    @Test func whatIsWrongWithIgnoredSocketsIsIgnoredToo() {
        let settings = settings {
            $0.text("rtpproxy_sock", "udp:a:x")
            $0.number("rtpproxy_tout", 0)
            $0.text("db_url", "sqlite:///x")
            $0.text("rtpproxy_sock", "udp:a:y")
        }
        #expect(settings.faultTexts == ["parameter rtpproxy_tout: \"0\": is below 1"])
    }

    @Test func anEmptyDatabaseIsNone() {
        let settings = settings {
            $0.text("rtpproxy_sock", "udp:a:1")
            $0.text("db_url", "")
            $0.text("rtpproxy_sock", "udp:b:1")
        }
        #expect(urls(settings) == ["udp:a:1", "udp:b:1"])
        #expect(settings.warnings.isEmpty)
    }

    @discardableResult
    private func addRow(
        _ settings: inout Settings, _ setID: String, _ url: String, weight: Int? = 1, flags: Int? = 0
    ) -> Bool {
        let (setID, url) = (Array(setID.utf8), Array(url.utf8))
        return settings.addRow(3, setID: setID.span, url: url.span, weight: weight, flags: flags)
    }

    @Test func rowsBecomeNodes() {
        var settings = Settings()
        #expect(addRow(&settings, "0", "udp:a:1", weight: 4))
        #expect(addRow(&settings, " 7 ", "unix:/run/b", weight: 0, flags: 1))
        #expect(addRow(&settings, "0", "udp:c:1", weight: 1_000_000, flags: 2))
        #expect(urls(settings) == ["udp:a:1", "udp:c:1", "unix:/run/b"])
        #expect(settings.nodes.map(\.setID) == [0, 0, 7])
        #expect(settings.nodes.map(\.weight) == [4, 1_000_000, 0])
        #expect(settings.nodes.map(\.startsDisabled) == [false, false, true])
        #expect(settings.nodes.map(\.index) == [0, 2, 1])
        #expect(settings.warnings.isEmpty)
    }

    struct BadRow: Sendable, CustomTestStringConvertible {
        var setID = "0"
        var url = "udp:a:1"
        var weight: Int? = 1
        var flags: Int? = 0
        var reason: String
        var testDescription: String { reason }
    }

    @Test(arguments: [
        BadRow(setID: "", reason: "setid is NULL or no number"),
        BadRow(setID: "x", reason: "setid is NULL or no number"),
        BadRow(setID: "-1", reason: "setid is NULL or no number"),
        BadRow(setID: "2147483648", reason: "setid is NULL or no number"),
        BadRow(url: "", reason: "url is NULL or empty"),
        BadRow(url: "udp:a:x", reason: "port is neither a number of 1..65535 nor a service that this system knows"),
        BadRow(url: "udp:a:1 udp:b:1", reason: "blank or control character in a URL"),
        BadRow(weight: nil, reason: "weight is NULL or no number of 0..1000000"),
        BadRow(weight: -1, reason: "weight is NULL or no number of 0..1000000"),
        BadRow(weight: 1_000_001, reason: "weight is NULL or no number of 0..1000000"),
        BadRow(weight: .max, reason: "weight is NULL or no number of 0..1000000"),
        BadRow(weight: .min, reason: "weight is NULL or no number of 0..1000000"),
        BadRow(flags: nil, reason: "flags is NULL or no number"),
    ])
    func aBadRowIsLeftOutWithAWarning(_ row: BadRow) {
        var settings = Settings()
        #expect(!addRow(&settings, row.setID, row.url, weight: row.weight, flags: row.flags))
        #expect(settings.warningTexts == ["db_url: row 3, url \"\(row.url)\", is left out: \(row.reason)"])
        #expect(settings.nodes.isEmpty && settings.faults.isEmpty)
    }
}
