// SPDX-License-Identifier: GPL-2.0-or-later
// Entry points that look at the configuration: what is passed on, and what the log says.

import RTPProxyABI
import Testing

@Suite struct ChecksTests {
    @Test func withoutAHandleNothingIsLookedAt() {
        var script = rtpp_script()
        #expect(lending("x") { rtpp_set_place(nil, $0) } == .RTPP_BAD_ARGUMENT)
        #expect(rtpp_report_faults(nil) == 0)
        #expect(lending("q") { rtpp_check_flags(nil, .RTPP_FUNCTION_OFFER, "f", $0, true) } == .RTPP_BAD_ARGUMENT)
        #expect(lending("") { rtpp_check_address(nil, "f", $0) } == .RTPP_BAD_ARGUMENT)
        rtpp_check_script(nil, &script, true)
    }

    @Test func withoutANameOrAScriptNothingIsLookedAt() {
        let module = ModuleInstance()
        #expect(
            lending("q") { rtpp_check_flags(module.handle, .RTPP_FUNCTION_OFFER, nil, $0, true) } == .RTPP_BAD_ARGUMENT)
        #expect(lending("") { rtpp_check_address(module.handle, nil, $0) } == .RTPP_BAD_ARGUMENT)
        rtpp_check_script(module.handle, nil, true)
    }

    @Test func aFaultNamesItsPlaceAndIsLoggedOnce() {
        let module = ModuleInstance()
        #expect(lending("place.cfg:7") { rtpp_set_place(module.handle, $0) } == .RTPP_OK)
        #expect(rtpp_report_faults(module.handle) == 0)
        #expect(module.set("rtpproxy_sock", "sctp:placed-one") == .RTPP_OK)
        #expect(HostLog.lines(with: "placed-one").isEmpty)
        #expect(rtpp_report_faults(module.handle) == 1 && rtpp_report_faults(module.handle) == 0)
        #expect(HostLog.lines(with: "placed-one").count == 1)
        #expect(lending(nil) { rtpp_set_place(module.handle, $0) } == .RTPP_OK)
        #expect(module.set("rtpproxy_sock", "sctp:placed-two") == .RTPP_OK)
        #expect(rtpp_configure(module.handle) == .RTPP_BAD_CONFIGURATION)
        #expect(rtpp_report_faults(module.handle) == 0)
        let (first, second) = (HostLog.lines(with: "placed-one"), HostLog.lines(with: "placed-two"))
        #expect(first.count == 1 && first.allSatisfy { $0.text.hasSuffix(" (place.cfg:7)") })
        #expect(second.count == 1 && second.allSatisfy { !$0.text.contains("place.cfg") })
    }

    @Test func flagsThatFailAreErrorsAndThoseInVainWarnings() {
        let module = ModuleInstance()
        func check(_ name: String, _ flags: String?, hasExtraID: Bool = true) -> rtpp_status {
            lending(flags) { rtpp_check_flags(module.handle, .RTPP_FUNCTION_MANAGE, name, $0, hasExtraID) }
        }
        #expect(check("check_right", "cor") == .RTPP_OK && check("check_right", nil) == .RTPP_OK)
        #expect(check("check_vain", "b", hasExtraID: false) == .RTPP_OK)
        #expect(check("check_wrong", "coq") == .RTPP_BAD_CONFIGURATION)
        #expect(HostLog.lines(with: "check_right").isEmpty)
        #expect(HostLog.lines(with: "check_vain").map(\.level) == [.RTPP_LOG_WARNING])
        #expect(HostLog.lines(with: "check_wrong").map(\.level) == [.RTPP_LOG_ERROR])
        #expect(HostLog.lines(with: "check_wrong").map(\.text) == ["check_wrong: \"coq\": unknown flag 'q'"])
    }

    @Test func aNameForAnAddressIsAWarning() {
        let module = ModuleInstance()
        func check(_ name: String, _ address: String?) -> rtpp_status {
            lending(address) { rtpp_check_address(module.handle, name, $0) }
        }
        #expect(check("address_right", "2001:db8::1") == .RTPP_OK)
        #expect(check("address_name", "media.example.com") == .RTPP_OK)
        #expect(check("address_wrong", "a b") == .RTPP_BAD_CONFIGURATION)
        #expect(HostLog.lines(with: "address_right").isEmpty)
        #expect(HostLog.lines(with: "address_name").map(\.level) == [.RTPP_LOG_WARNING])
        #expect(HostLog.lines(with: "address_wrong").map(\.level) == [.RTPP_LOG_ERROR])
    }

    /// One function with the flag is enough, and one whose flags are not written out may have it.
    @Test func anExtraIDIsInVainWhereNoFlagAsksForIt() {
        func warns(_ flags: [String], knowsFlags: Bool = true, hasExtraID: Bool = true) -> Bool {
            let module = ModuleInstance()
            _ = module.set("rtpproxy_sock", "udp:127.0.0.1:9")
            _ = rtpp_configure(module.handle)
            for text in flags {
                _ = lending(text) { rtpp_check_flags(module.handle, .RTPP_FUNCTION_OFFER, "extra", $0, true) }
            }
            var script = rtpp_script()
            (script.has_extra_id, script.knows_flags) = (hasExtraID, knowsFlags)
            let before = HostLog.lines(with: "extra_id_pv does nothing without flag").count
            rtpp_check_script(module.handle, &script, true)
            return HostLog.lines(with: "extra_id_pv does nothing without flag").count > before
        }
        #expect(warns([]) && warns(["co", "z20"]))
        #expect(!warns(["co", "cob"]) && !warns(["b", ""]))
        #expect(!warns(["co"], knowsFlags: false) && !warns(["co"], hasExtraID: false))
    }

    @Test func aScriptIsLookedAtWithTheSettings() {
        let module = ModuleInstance()
        #expect(module.set("rtpproxy_sock", "udp:127.0.0.1:9") == .RTPP_OK)
        #expect(rtpp_configure(module.handle) == .RTPP_OK)
        var script = rtpp_script()
        script.has_timeout_tag = true
        let before = HostLog.lines(with: "timeout_tag_pv does nothing").count
        rtpp_check_script(module.handle, &script, true)
        #expect(HostLog.lines(with: "timeout_tag_pv does nothing").count == before + 1)
    }
}
