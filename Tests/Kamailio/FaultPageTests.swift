// SPDX-License-Identifier: GPL-2.0-or-later
// Tests/Faults.md names every test of a fault, and none that is not there.

import Foundation
import TestSupport
import Testing

@Suite struct FaultPageTests {
    /// `Suite/test` of every test in these sources; where tests stand outside of a suite, the file's name is theirs.
    private static func tests(_ isWanted: (String) -> Bool = { _ in true }) throws -> Set<String> {
        let folder = "\(PackageFolder.root)/Tests"
        let paths = try FileManager.default.subpathsOfDirectory(atPath: folder).filter { $0.hasSuffix("Tests.swift") }
        var found: Set<String> = []
        for path in paths {
            let suite = String(path.split(separator: "/").last?.dropLast(6) ?? "")
            guard isWanted(suite) else { continue }
            let text = try String(contentsOfFile: "\(folder)/\(path)", encoding: .utf8)
            // A test is a function behind @Test: those that are private help others.
            let functions = try Readme.matches("(?m)^ *(?:@Test.*)?func ([A-Za-z0-9]+)\\(", in: text)
            found.formUnion(functions.map { "\(suite)/\($0)" })
        }
        return found
    }

    private static func named() throws -> Set<String> {
        let page = try String(contentsOfFile: "\(PackageFolder.root)/Tests/Faults.md", encoding: .utf8)
        return Set(try Readme.matches("`([A-Za-z0-9]+Tests/[A-Za-z0-9]+)`", in: page))
    }

    @Test func everyTestOnThePageExists() throws {
        let named = try Self.named()
        #expect(named.count > 20)
        #expect(try named.subtracting(Self.tests()).isEmpty)
    }

    @Test func everyTestOfAFaultIsOnThePage() throws {
        let tests = try Self.tests { ($0.hasPrefix("Fault") && $0 != "FaultPageTests") || $0 == "LostDatabaseTests" }
        #expect(tests.count > 10)
        #expect(try tests.subtracting(Self.named()).isEmpty)
    }
}
