// SPDX-License-Identifier: GPL-2.0-or-later
// Built with the headers of a source tree that says the version of the Kamailio that runs and has other structures of
// tm: it must not start, or let nothing wait.

import Foundation
import TestSupport
import Testing

@Suite(.serialized) struct HeaderTests {
    /// Headers of the Kamailio under test in a folder, and a module that `make` builds with them.
    private struct Tree {
        let folder: TemporaryFolder
        var module: String { folder.file("out/rtpproxy.so") }

        init() throws {
            folder = try TemporaryFolder()
            let module = try URL(fileURLWithPath: RTPProxyModule.underTest.path(in: KamailioInstallation.find()))
            let headers = module.deletingLastPathComponent().appendingPathComponent("headers").path
            for part in ["core", "lib", "modules"] {
                let copied = try ChildProcess.run(
                    "sh",
                    ["-ec", "mkdir -p \"$1/src\" && cp -rL \"$2\" \"$1/src\"", "-", folder.path, "\(headers)/\(part)"])
                guard copied.end == .exited(0) else { throw HarnessError("no headers: \(copied.output)") }
            }
        }

        func change(_ header: String, _ edit: (inout String) throws -> Void) throws {
            let path = "src/modules/tm/\(header)"
            var text = try String(contentsOfFile: folder.file(path), encoding: .utf8)
            try edit(&text)
            try folder.write(text, to: path)
        }

        func build() throws {
            let built = try ChildProcess.run(
                "make",
                [
                    "-C", PackageFolder.root, "OUT=\(folder.file("out"))", "KAMAILIO_SRC=\(folder.path)",
                    "KAMAILIO=\(ProcessInfo.processInfo.environment["KAMAILIO"] ?? "")", module,
                ], within: 300)
            guard built.end == .exited(0) else { throw HarnessError("make: \(built.output.suffix(2000))") }
        }

        var configuration: KamailioConfiguration {
            var configuration = KamailioConfiguration()
            configuration.module = .path(module)
            return configuration
        }
    }

    /// Return codes of an offer that may wait and one that blocks, and the log.
    private func offers(_ tree: Tree) throws -> (codes: [Int?], log: String) {
        let relay = try ScriptedRelay()
        return try withAsyncStage([relay], .process, { $0.module = .path(tree.module) }) { kamailio in
            let waiting = try kamailio.call()
            let invite = try waiting.invite(run: .offer())
            try waiting.reply(486, to: invite)
            return (invite.returnCodes, kamailio.log)
        }
    }

    /// What stands in h_table.h, and what in its place.
    @Test(arguments: [
        ("} tm_ua_client_t;", "long more[2]; } tm_ua_client_t;"),
        ("struct retr_buf local_cancel;", "long more; struct retr_buf local_cancel;"),
        ("\tint reply_rec_lock_level;", "\tint reply_rec_lock_level; long more;"),
    ])
    func withOtherTransactionsNoneWaits(old: String, new: String) throws {
        let tree = try Tree()
        try tree.build()
        #expect(try offers(tree).codes == [1])
        // The same tree in another state.
        try tree.change("h_table.h") { text in
            #expect(text.contains(old))
            text = text.replacingOccurrences(of: old, with: new)
        }
        try tree.build()
        let (codes, log) = try offers(tree)
        #expect(codes == [-1])
        #expect(log.contains("a transaction of the running tm is not that of the headers"), "\(log)")
    }

    /// tm fills its table in: nothing is written behind ours where that is the shorter one.
    @Test(arguments: [true, false]) func withAnotherTableOfFunctionsItDoesNotStart(isLonger: Bool) throws {
        let tree = try Tree()
        try tree.change("tm_load.h") { text in
            let table = try #require(text.range(of: "struct tm_binds"))
            let end = try #require(text.range(of: "\n}", range: table.upperBound..<text.endIndex)).lowerBound
            let last = try #require(text[..<end].lastIndex(of: ";"))
            let previous = try #require(text[..<last].lastIndex(of: ";"))
            if isLonger {
                text.insert(contentsOf: " void (*more)(void);", at: text.index(after: last))
            } else {
                text.removeSubrange(text.index(after: previous)...last)
            }
        }
        try tree.build()
        let log = try Kamailio.startUpFailure(tree.configuration)
        #expect(log.contains("the table of functions of the running tm is not that of the headers"), "\(log)")
    }
}
