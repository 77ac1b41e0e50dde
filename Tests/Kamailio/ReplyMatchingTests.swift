// SPDX-License-Identifier: GPL-2.0-or-later
// A tm in which a retransmitted 200 skips the reply route: the module warns when it starts.

import Foundation
import TestSupport
import Testing

/// The tm of Kamailio 6.1.4 has a parameter that earlier ones lack. This one gets it in a copy of the file, by another
/// name for a parameter whose default is 1, too.
private struct NewerTM {
    private let folder: TemporaryFolder
    /// Its path, without the ending.
    let path: String

    init() throws {
        folder = try TemporaryFolder()
        path = folder.file("tm")
        let original = "\(try KamailioInstallation.find().modules)/tm.so"
        var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: original)))
        let old = Array("\0restart_fr_on_each_reply\0".utf8)
        let new = Array("\0reply_matching\0".utf8)
        let places = bytes.ranges(of: old)
        guard places.count == 1, let place = places.first else { throw HarnessError("\(original) has no such name") }
        bytes.replaceSubrange(place, with: new + [UInt8](repeating: 0, count: old.count - new.count))
        try Data(bytes).write(to: URL(fileURLWithPath: "\(path).so"))
    }
}

@Suite struct ReplyMatchingTests {
    /// What the module says of it.
    private func warnings(_ value: Int?, _ tm: String) throws -> [String] {
        let relay = try ScriptedRelay()
        let change = { (configuration: inout KamailioConfiguration) in
            configuration.modules = configuration.modules.map { $0 == "tm" ? tm : $0 }
            if let value { configuration.parameters.append(("tm", "reply_matching", String(value))) }
            configuration.set("rtpproxy_sock", relay.url)
        }
        return try Stage.own([], change) { (kamailio) throws in
            kamailio.waitUntilUp([relay])
            return kamailio.logLines("WARNING").filter { $0.contains("rtpproxy") }
        }
    }

    @Test func theDefaultGetsAWarningWithTheCure() throws {
        let tm = try NewerTM()
        let said = try warnings(nil, tm.path)
        #expect(said.count == 1, "\(said)")
        #expect(said.first?.contains("modparam(\"tm\", \"reply_matching\", 0)") == true, "\(said)")
    }

    @Test func whatIsCuredGetsNone() throws {
        let tm = try NewerTM()
        #expect(try warnings(0, tm.path) == [])
    }

    @Test func aTMWithoutTheParameterGetsNone() throws {
        #expect(try warnings(nil, "tm") == [])
    }

    /// The file that Kamailio 6.1 reads.
    @Test(arguments: try Example.names() + ["README"])
    func everyExampleCuresItInKamailio6_1(name: String) throws {
        let text = try name == "README" ? PackageFolder.fixture("readme/kamailio.cfg") : Example.text(name)
        #expect(text.contains("#!ifdef KAMAILIO_6_1\nmodparam(\"tm\", \"reply_matching\", 0)\n#!endif\n"))
    }
}
