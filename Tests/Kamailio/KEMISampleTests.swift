// SPDX-License-Identifier: GPL-2.0-or-later
// The samples of the documentation in the languages of scripts: the routes of kemi.cfg, in each of them.

import Foundation
import TestSupport
import Testing

/// A language, and the module of Kamailio that speaks it.
enum KEMILanguage: String, CaseIterable {
    case javascript = "jsdt"
    case lua, python

    var module: String { self == .python ? "app_python3" : "app_\(rawValue)" }
    var file: String {
        switch self {
        case .javascript: "kemi.js"
        case .lua: "kemi.lua"
        case .python: "kemi.py"
        }
    }
    /// Whether this Kamailio has the module.
    var isInstalled: Bool {
        guard let found = try? KamailioInstallation.find() else { return false }
        return FileManager.default.fileExists(atPath: "\(found.modules)/\(module).so")
    }

    /// kemi.cfg for this language.
    func configuration(_ relay: ScriptedRelay) throws -> KamailioConfiguration {
        var text = try PackageFolder.fixture("readme/kemi.cfg")
        for (old, new) in [
            ("app_jsdt", module), ("\"jsdt\"", "\"\(rawValue)\""), ("udp:127.0.0.1:22222", relay.url),
            ("/etc/kamailio/kemi.js", "\(PackageFolder.root)/Tests/Fixtures/readme/\(file)"),
        ] {
            guard text.contains(old) else { throw HarnessError("kemi.cfg has no \(old)") }
            text = text.replacingOccurrences(of: old, with: new)
        }
        var configuration = KamailioConfiguration(complete: text)
        // Where Kamailio is unpacked, so is the Python that it brings.
        let installation = try KamailioInstallation.find()
        if self == .python, !installation.root.isEmpty,
            try FileManager.default.contentsOfDirectory(atPath: "\(installation.prefix)/lib")
                .contains(where: { $0.hasPrefix("python3") })
        {
            configuration.environment["PYTHONHOME"] = installation.prefix
        }
        return configuration
    }
}

@Suite struct KEMISampleTests {
    @Test(
        .enabled(if: KEMILanguage.lua.isInstalled, "there is no app_lua: make setup")
    ) func inLua() throws { try offersAnswersAndRefuses(.lua) }

    @Test(
        .enabled(if: KEMILanguage.python.isInstalled, "there is no app_python3: make setup")
    ) func inPython() throws { try offersAnswersAndRefuses(.python) }

    @Test func inJavaScript() throws { try offersAnswersAndRefuses(.javascript) }

    private func offersAnswersAndRefuses(_ language: KEMILanguage) throws {
        let relay = try ScriptedRelay()
        try Kamailio.with(language.configuration(relay)) { kamailio in
            try #require(kamailio.waitUntilUp([relay]))
            let call = try kamailio.call()
            let invite = try call.invite()
            #expect(invite.lines.contains("o=- 1 1 IN IP4 192.0.2.77"))
            #expect(try call.reply(to: invite, sdp: SDPText.audio()).lines.contains("c=IN IP4 192.0.2.77"))
            #expect(relay.commands(of: call.id).map(\.verb) == ["U", "L"])
            let logged = kamailio.logLines("ERROR")
            #expect(logged.isEmpty, "\(kamailio.log.suffix(3000))")
            relay.on { _ in .drop }
            let refused = try kamailio.call()
            refused.send(refused.request("INVITE", sdp: SDPText.audio()))
            #expect(refused.caller.receive(20_000) { $0.status >= 300 && $0.callID == refused.id }?.status == 503)
        }
    }
}
