// SPDX-License-Identifier: GPL-2.0-or-later
// docs/operator/migration.md is what Tests/Compare makes of it.

import Foundation
import TestSupport
import Testing

@testable import compare

@Suite struct MigrationPageTests {
    @Test func thePageIsWhatTheListsSay() throws {
        let page = try String(contentsOfFile: MigrationPage.path, encoding: .utf8)
        let renewed = try MigrationPage.renewed(page)
        let (lines, wanted) = (page.components(separatedBy: "\n"), renewed.components(separatedBy: "\n"))
        let first = zip(lines, wanted).first { $0 != $1 }
        #expect(page == renewed, "run: make page; the first line that differs: \(first?.1 ?? "the last")")
    }

    @Test func eachEntryBeginsWithWhatItIsAbout() {
        for entry in Difference.all.map(\.entry) + PageEntry.notCompared {
            #expect(entry.text.hasPrefix("**") && entry.text.hasSuffix("."), "\(entry.text)")
        }
    }

    /// Whoever goes back to Kamailio's own module has to take it out of the configuration.
    @Test func whatKamailiosModuleDoesNotHaveIsNamed() throws {
        let page = try String(contentsOfFile: MigrationPage.path, encoding: .utf8)
        func names(_ file: String, _ expression: Regex<(Substring, Substring)>) throws -> [String] {
            try String(contentsOfFile: "\(PackageFolder.root)/kamailio-glue/\(file)", encoding: .utf8)
                .matches(of: expression).map { String($0.output.1) }
        }
        let parameters = try names("module.c", /\t(?:TEXT|NUMBER|VARIABLE|OWN)\((\w+)[,)]/)
        let variables = try names("pvar.c", /STR_STATIC_INIT\("(\w+)"\)/).map { "$" + $0 }
        let functions = try names("script.c", /\{"(\w+)", \(cmd_function\)/)
        let commands = try names("rpc.c", /\{"(rtpproxy\.\w+)", rpc_/)
        let events = try names("events.c", /"(rtpproxy:[a-z-]+)"/).map { "event_route[\($0)]" }
        let all = Set(parameters + variables + functions + commands + events)
        #expect(all.count > 60)
        for name in all.subtracting(Self.ofKamailio) {
            #expect(page.contains("`\(name)`") || page.contains("`\(name)("), "\(name)")
        }
    }

    /// What the manual of Kamailio's module lists.
    private static let ofKamailio: Set<String> = [
        "rtpproxy_sock", "rtpproxy_disable_tout", "rtpproxy_tout", "rtpproxy_retr", "nortpproxy_str", "timeout_socket",
        "ice_candidate_priority_avp", "extra_id_pv", "db_url", "table_name", "rtp_inst_pvar",
        "set_rtp_proxy_set", "rtpproxy_offer", "rtpproxy_answer", "rtpproxy_destroy", "unforce_rtp_proxy",
        "rtpproxy_manage", "rtpproxy_stream2uac", "rtpproxy_stream2uas", "rtpproxy_stop_stream2uac",
        "rtpproxy_stop_stream2uas", "start_recording",
        "$rtppstat", "$rtpstat", "rtpproxy.enable", "rtpproxy.list",
    ]

    @Test func noDifferenceIsThereTwice() {
        let texts = (Difference.all.map(\.entry) + PageEntry.notCompared).map(\.text)
        #expect(Set(texts).count == texts.count)
        #expect(Set(Difference.all.map(\.name)).count == Difference.all.count)
    }
}
