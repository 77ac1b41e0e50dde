// SPDX-License-Identifier: GPL-2.0-or-later
// What is right is taken by `kamailio -c` without a word: nothing is refused that only a message can tell.

import Foundation
import TestSupport
import Testing

@Suite struct RightConfigurationTests {
    private func ownLines(_ log: String) -> [Substring] {
        log.split(separator: "\n").filter { $0.contains("rtpproxy [") && !$0.contains("there is no journal") }
    }

    private func isRight(_ configuration: KamailioConfiguration) throws {
        let (isContent, log) = try Kamailio.check(configuration)
        #expect(isContent && ownLines(log).isEmpty && !log.contains("ERROR"), "\(log.suffix(4000))")
    }

    @Test func whatOnlyAMessageTellsIsTaken() throws {
        var configuration = KamailioConfiguration()
        configuration.modules += ["htable", "dialog", "cfgutils", "usrloc", "registrar", "uac", "textopsx"]
        configuration.parameters.append(("htable", "htable", "\"flags=>size=4;\""))
        configuration.set("rtpproxy_sock", "udp:127.0.0.1:9")
        configuration.set("rtpproxy_sock", "2 == udp:127.0.0.1:9")
        let folder = try TemporaryFolder()
        let included = try folder.write(
            "flags MARKED:3;\nroute[INCLUDED] { rtpproxy_answer(\"co\"); }\n", to: "more.cfg")
        configuration.routes = "include_file \"\(included)\"\n" + (try PackageFolder.fixture("kamailio/right.cfg"))
        try isRight(configuration)
        #expect(try Kamailio.starts(configuration))
    }

    @Test(arguments: try Example.names()) func theExamplesAreTaken(name: String) throws {
        try isRight(Example.configuration(name, [], []))
    }

    @Test(arguments: try ReadmeExample.names().filter { $0.hasSuffix(".cfg") })
    func theDocumentationIsTaken(name: String) throws {
        let (isContent, log) = try Kamailio.check(ReadmeExample.configuration(name))
        #expect(isContent && !log.contains("ERROR"), "\(log.suffix(4000))")
        // It shows a route and a callback, and nothing else that they need.
        if name != "events.cfg" { #expect(ownLines(log).isEmpty, "\(log.suffix(4000))") }
    }

    /// As many testers of RTPProxy write it: comments of C, `msg:len`, numbered routes.
    @Test func anOldConfigurationIsTaken() throws {
        var configuration = KamailioConfiguration()
        configuration.set("rtpproxy_sock", "udp:127.0.0.1:9")
        configuration.routes = """
            route {
                // before anything else
                if (msg:len >= 4096) { sl_send_reply("513", "Message too big"); exit; };
                if (method == "INVITE") { if (rtpproxy_offer("r")) { t_on_reply("1"); t_on_failure("1"); }; };
                if (method == "BYE") { unforce_rtp_proxy(); };
                t_relay();
            }
            onreply_route[1] { if (status =~ "(183)|2[0-9][0-9]") { rtpproxy_answer("r"); }; }
            failure_route[1] { unforce_rtp_proxy(); }
            """
        try isRight(configuration)
    }

    private static let debian: String = {
        guard let root = try? KamailioInstallation.find().root else { return "" }
        return (try? String(contentsOfFile: "\(root)/etc/kamailio/kamailio.cfg", encoding: .utf8)) ?? ""
    }()

    @Test(.enabled(if: debian.contains("route[NATMANAGE]"), "the kamailio.cfg of Debian's package is not there"))
    func theOneOfThePackageIsTaken() throws {
        let defines = ["WITH_NAT", "WITH_NATSIPPING", "WITH_PSTN", "WITH_BLOCK3XX", "WITH_VOICEMAIL", "WITH_ANTIFLOOD"]
        for chosen in [Array(defines.prefix(1)), defines] {
            let text = "#!KAMAILIO\n" + chosen.map { "#!define \($0)\n" }.joined() + Self.debian
            try isRight(KamailioConfiguration(complete: text))
        }
    }

    @Test(arguments: ["rtpproxy_event", "$event", "événement", ""])
    func nobodyLooksIntoAScriptOfKEMI(callback: String) throws {
        var configuration = KamailioConfiguration()
        configuration.modules.append("app_jsdt")
        let script = "\"\(PackageFolder.root)/Tests/Fixtures/kamailio/kemi.js\""
        configuration.parameters.append(("app_jsdt", "load", script))
        configuration.set("rtpproxy_sock", "2 == udp:127.0.0.1:9")
        configuration.set("event_callback", callback)
        configuration.routes = "cfgengine \"jsdt\""
        try isRight(configuration)
    }
}
