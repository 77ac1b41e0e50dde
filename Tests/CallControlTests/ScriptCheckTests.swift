// SPDX-License-Identifier: GPL-2.0-or-later
// What is known of a script before the first call, and what must be left to the call.

import SharedState
import Testing

@testable import CallControl

@Suite struct ScriptCheckTests {
    private func fault(_ flags: String, _ function: FlagFunction) -> String? {
        let bytes = Array(flags.utf8)
        return ScriptCheck.fault(bytes.span, of: function).map { String(decoding: $0, as: UTF8.self) }
    }

    private func fault(address: String) -> String? {
        let bytes = Array(address.utf8)
        return ScriptCheck.fault(address: bytes.span).map { String(decoding: $0, as: UTF8.self) }
    }

    @Test(arguments: [
        "", "co", "cor", "COR", "1", "2", "3", "b", "z20", "coz20e", "ieawfrxt", String(repeating: "c", count: 255),
    ])
    func flagsThatACallTakesAreRight(flags: String) {
        for function in [FlagFunction.offer, .answer, .manage, .delete, .engage] {
            #expect(fault(flags, function) == nil)
        }
    }

    @Test func eachFunctionHasItsOwnFaults() {
        #expect(fault("coq", .offer) == "unknown flag 'q'")
        #expect(fault("co r", .manage) == "unknown flag ' '")
        #expect(fault("B", .delete) == "unknown flag 'B'")
        #expect(fault("z", .offer)?.hasPrefix("flag 'z' needs a number") == true)
        #expect(fault("z1000", .manage) != nil)
        #expect(fault("z", .delete) == nil)
        #expect(fault("cl", .answer) == "flag 'l' means nothing to an answer")
        #expect(fault("cl", .engage) == "flag 'l' means nothing to an answer")
        #expect(fault("cl", .offer) == nil && fault("cl", .manage) == nil && fault("l", .delete) == nil)
        #expect(fault(String(repeating: "c", count: 256), .offer) != nil)
    }

    @Test func whatDoesNothingIsSaid() {
        func vain(_ flags: String, hasExtraID: Bool) -> String? {
            let bytes = Array(flags.utf8)
            return ScriptCheck.vain(bytes.span, hasExtraID: hasExtraID).map { "\($0)" }
        }
        #expect(vain("cob", hasExtraID: true) == nil && vain("co", hasExtraID: false) == nil)
        #expect(vain("cob", hasExtraID: false) == "flag 'b' does nothing without the parameter extra_id_pv")
        #expect(vain("z20b1", hasExtraID: true) == "flag 'b' does nothing beside 1, 2 or 3")
        #expect(vain("q", hasExtraID: false) == nil)
    }

    @Test func flagsThatAskForAnExtraIDAreKnown() {
        func asks(_ flags: String) -> Bool {
            let bytes = Array(flags.utf8)
            return ScriptCheck.usesExtraID(bytes.span)
        }
        for flags in ["b", "cob", "zb", "z20b", "b1"] { #expect(asks(flags), "\(flags)") }
        for flags in ["", "co", "1", "q", "coqb"] { #expect(!asks(flags), "\(flags)") }
    }

    @Test func anAddressIsOneWord() {
        #expect(fault(address: "192.0.2.1") == nil && fault(address: "media.example.com") == nil)
        #expect(fault(address: "") == "the ip_address parameter is empty")
        #expect(fault(address: "192.0.2.1 x") != nil && fault(address: "192.0.2.1\r\n") != nil)
    }

    @Test func namesAreNoAddresses() {
        func isAddress(_ text: String) -> Bool {
            let bytes = Array(text.utf8)
            return ScriptCheck.isAddress(bytes.span)
        }
        for text in ["192.0.2.1", "2001:db8::1", "[2001:db8::1]"] { #expect(isAddress(text)) }
        for text in ["", "[", "[]", "[192.0.2.1]", "[2001:db8::1", "192.0.2.300", "media.example.com"] {
            #expect(!isAddress(text), "\(text)")
        }
    }

    // --- what is configured in vain ---

    private func warnings(
        _ sets: [String], _ use: (inout ScriptUse) -> Void = { _ in }, knowsNodes: Bool = true,
        set: (inout Settings) -> Void = { _ in }
    ) -> [String] {
        var settings = Settings()
        for value in sets { _ = settings.text("rtpproxy_sock", value) }
        set(&settings)
        settings.finish()
        var script = ScriptUse()
        use(&script)
        return ScriptCheck.warnings(settings, script, knowsNodes: knowsNodes).map { "\($0)" }
    }

    @Test func aServerWithoutARelayIsSaid() {
        #expect(warnings(["udp:127.0.0.1:9"]).isEmpty)
        #expect(warnings([]) == ["no RTPProxy is configured: offers and answers return -3"])
        #expect(warnings([], knowsNodes: false).isEmpty)
        #expect(warnings(["2 == udp:127.0.0.1:9"]).first?.hasPrefix("set 0 has no RTPProxy") == true)
        #expect(warnings(["2 == udp:127.0.0.1:9"], { $0.choosesSets = true }).isEmpty)
        #expect(warnings(["0 == udp:127.0.0.1:9", "2 == udp:127.0.0.1:9"]).isEmpty)
    }

    @Test func rowsThatAllStartDisabledAreSaid() {
        func add(_ flags: [Int]) -> [String] {
            warnings(
                [],
                set: { settings in
                    _ = settings.text("db_url", "sqlite:///x")
                    for (row, flag) in flags.enumerated() {
                        let (set, url) = (Array("0".utf8), Array("udp:127.0.0.\(row):9".utf8))
                        let isTaken = settings.addRow(row, setID: set.span, url: url.span, weight: 1, flags: flag)
                        #expect(isTaken)
                    }
                })
        }
        #expect(add([1, 0]).isEmpty)
        #expect(add([1, 1]) == ["every RTPProxy starts disabled by its flags: offers and answers return -3"])
    }

    @Test func whatNobodyHearsIsSaid() {
        func warn(_ listens: Bool, _ use: (inout ScriptUse) -> Void) -> [String] {
            warnings(
                ["udp:127.0.0.1:9"], use,
                set: { settings in
                    if listens { _ = settings.text("rtpproxy_notify_listen", "unix:/run/x") }
                })
        }
        #expect(warn(true) { $0.hearsTimeouts = true }.isEmpty)
        #expect(warn(true) { _ in }.first?.hasPrefix("parameter rtpproxy_notify_listen: neither") == true)
        #expect(warn(false) { $0.hasTimeoutRoute = true }.first?.contains("never runs without") == true)
        #expect(warn(true) { ($0.hasTimeoutRoute, $0.hearsTimeouts) = (true, true) }.isEmpty)
        #expect(warn(false) { $0.hasCallback = true }.first?.contains("there is no cfgengine") == true)
        #expect(warn(false) { ($0.hasCallback, $0.hasEngine) = (true, true) }.isEmpty)
        #expect(warn(false) { $0.hasTimeoutTag = true }.first?.contains("timeout_tag_pv does nothing") == true)
        #expect(warn(true) { ($0.hasTimeoutTag, $0.hearsTimeouts) = (true, true) }.isEmpty)
    }

    @Test func callsThatNobodySharesAreSaid() {
        func warn(_ hears: Bool, _ shares: Int) -> [String] {
            warnings(["udp:127.0.0.1:9"], { $0.hearsHosts = hears }, set: { _ = $0.number("rtpproxy_dmq", shares) })
        }
        #expect(warn(false, 1).first?.hasPrefix("parameter rtpproxy_dmq: the script never calls dmq_h") == true)
        #expect(warn(true, 1).isEmpty && warn(false, 0).isEmpty)
    }

    @Test func anExtraIDThatNobodyAsksForIsSaid() {
        #expect(
            warnings(["udp:127.0.0.1:9"], { $0.hasUnusedExtraID = true }) == [
                "parameter extra_id_pv does nothing without flag 'b', and no function of the script has it"
            ])
    }
}
