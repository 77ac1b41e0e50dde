// SPDX-License-Identifier: GPL-2.0-or-later
// Tests/Faults.md names every test of a fault, and none that is not there.

import Foundation
import TestSupport
import Testing

/// A page in Tests that names tests as `Suite/test`.
struct TestPage {
    private let text: String

    init(_ name: String) throws {
        text = try String(contentsOfFile: "\(PackageFolder.root)/Tests/\(name)", encoding: .utf8)
    }

    /// The tests that it names.
    func tests() throws -> Set<String> { Set(try Readme.matches("`([A-Za-z0-9]+Tests/[A-Za-z0-9]+)`", in: text)) }

    /// The cells of the rows of its tables, without the rows below the headings.
    var rows: [[String]] {
        text.split(separator: "\n").filter { $0.hasPrefix("|") && !$0.hasPrefix("|--") }.map { line in
            line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
        }
    }

    /// `Suite/test` of every test in these sources; where tests stand outside of a suite, the file's name is theirs.
    /// `pattern` finds their names. A test is a function behind @Test: those that are private help others.
    static func existingTests(
        by pattern: String = "(?m)^ *(?:@Test.*)?func ([A-Za-z0-9]+)\\(", _ isWanted: (String) -> Bool = { _ in true }
    ) throws -> Set<String> {
        let folder = "\(PackageFolder.root)/Tests"
        let paths = try FileManager.default.subpathsOfDirectory(atPath: folder).filter { $0.hasSuffix("Tests.swift") }
        var found: Set<String> = []
        for path in paths {
            let suite = String(path.split(separator: "/").last?.dropLast(6) ?? "")
            guard isWanted(suite) else { continue }
            let text = try String(contentsOfFile: "\(folder)/\(path)", encoding: .utf8)
            found.formUnion(try Readme.matches(pattern, in: text).map { "\(suite)/\($0)" })
        }
        return found
    }
}

@Suite struct FaultPageTests {
    @Test func everyTestOnThePageExists() throws {
        let named = try TestPage("Faults.md").tests()
        #expect(named.count > 20)
        #expect(try named.subtracting(TestPage.existingTests()).isEmpty)
    }

    @Test func everyTestOfAFaultIsOnThePage() throws {
        let tests = try TestPage.existingTests {
            ($0.hasPrefix("Fault") && $0 != "FaultPageTests") || $0 == "LostDatabaseTests"
        }
        #expect(tests.count > 10)
        #expect(try tests.subtracting(TestPage("Faults.md").tests()).isEmpty)
    }
}
