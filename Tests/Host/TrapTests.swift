// SPDX-License-Identifier: GPL-2.0-or-later
// The check that every line that could trap has a reason: what it finds in small folders of sources.

import Foundation
import TestSupport
import Testing

@Suite struct TrapTests {
    private static let source = """
        func last(_ values: [Int], _ pointer: UnsafePointer<Int>) -> Int {
            guard values.count > 0 else { return 0 }
            return values[values.count &- 1]
        }
        """
    private static let reasons = """
        == Last.swift
        -- there is one, checked by the guard above
          return values[values.count &- 1]
        """

    /// What the check says of a folder with one source and these reasons, and whether it is content.
    private func check(
        _ source: String, _ reasons: String, _ arguments: [String] = []
    ) throws -> (isContent: Bool, output: String) {
        let folder = try TemporaryFolder()
        for name in ["Sources", "Tests/Traps"] {
            try FileManager.default.createDirectory(atPath: folder.file(name), withIntermediateDirectories: true)
        }
        try folder.write(source + "\n", to: "Sources/Last.swift")
        try folder.write(reasons + "\n", to: "Tests/Traps/reasons.txt")
        let script = Project.root.appending(path: "scripts/traps.sh").path
        let ended = try run([script] + arguments + [folder.path])
        return (ended.status == 0, ended.output)
    }

    @Test func aLineWithAReasonIsFine() throws {
        let (isContent, output) = try check(Self.source, "# Why.\n\n" + Self.reasons)
        #expect(isContent && output.isEmpty, "\(output)")
    }

    /// Whatever is new fails: another line, the same line once more, and a line that was changed.
    @Test(arguments: [
        (
            "guard values.count > 0 else { return 0 }", "guard values[0] > 0 else { return 0 }",
            "Last.swift:2: could trap"
        ),
        ("return values[values.count &- 1]", "return values[values.count - 1]", "Last.swift:3: could trap"),
        ("}\n", "}\n", "Last.swift:7: could trap"),
        ("return values[values.count &- 1]", "return unsafe pointer.pointee", "Last.swift:3: could trap"),
        ("return values[values.count &- 1]", "return values.last!", "Last.swift:3: forced"),
    ])
    func aLineWithoutAReasonFails(_ old: String, _ new: String, _ finding: String) throws {
        let source = old == "}\n" ? Self.source + "\n" + Self.source : Self.source.replacing(old, with: new)
        let (isContent, output) = try check(source, Self.reasons)
        #expect(!isContent && output.contains(finding), "\(output)")
    }

    @Test func whatIsForcedHasNoReason() throws {
        let (isContent, output) = try check(
            "let last = values.last!", "== Last.swift\n-- why\n  let last = values.last!")
        #expect(!isContent && output.contains("Last.swift:1: forced"), "\(output)")
    }

    /// A reason in the code: SAFETY, in the declaration that it stands in and in no other.
    @Test func unsafeNeedsAReasonInItsDeclarationOrInTheList() throws {
        let body = "    return unsafe pointer.pointee"
        let safe = "func first() -> Int {\n    // SAFETY: lent for the call.\n\(body)\n}"
        #expect(
            try check(safe + "\nlet more = a + b", "== Last.swift\n-- both are small\n  let more = a + b").isContent)
        let (isContent, output) = try check("\(safe)\nfunc second() -> Int {\n\(body)\n}", "")
        #expect(!isContent && output.contains("Last.swift:6: could trap"), "\(output)")
    }

    @Test(arguments: [
        ("  let gone = first + second", "reasons.txt:4: is not in Last.swift any more: let gone = first + second"),
        ("  return values[values.count &- 1]", "reasons.txt:4: is not in Last.swift any more: return values["),
        ("== Other.swift\n-- why\n  let gone = first + second", "reasons.txt:6: is not in Other.swift any more"),
        ("words", "reasons.txt:4: neither"),
    ])
    func whatIsListedHasToBeThere(_ added: String, _ finding: String) throws {
        let (isContent, output) = try check(Self.source, Self.reasons + "\n" + added)
        #expect(!isContent && output.contains(finding), "\(output)")
    }

    @Test(arguments: ["-- ?", "--", "-- "])
    func aReasonHasWords(_ reason: String) throws {
        let reasons = Self.reasons.replacing("-- there is one, checked by the guard above", with: reason)
        #expect(try !check(Self.source, reasons).isContent)
    }

    @Test func withoutAListOrWithoutSourcesItFails() throws {
        #expect(try !check(Self.source, "").isContent)
        #expect(try !check("", Self.reasons).isContent)
    }

    /// What is missing comes as the list wants it.
    @Test func whatIsMissingCanBePasted() throws {
        let missing = try check(Self.source + "\nlet sum = first + second", Self.reasons, ["--missing"]).output
        #expect(missing == "\n== Last.swift\n-- ?\n  let sum = first + second\n")
        let pasted = Self.reasons + missing.replacing("?", with: "both are small")
        #expect(try check(Self.source + "\nlet sum = first + second", pasted).isContent)
    }
}
