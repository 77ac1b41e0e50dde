// SPDX-License-Identifier: GPL-2.0-or-later
// The check that every line that could trap has a reason: what it finds in small folders of sources.

import Foundation
import TestSupport
import Testing

@Suite struct TrapTests {
    private static let source = """
        func last(_ values: [Int], _ pointer: UnsafePointer<Int>) -> Int {
            guard values.count > 0 else { return 0 }
            // NO TRAP: there is one, checked by the guard above.
            return values[values.count &- 1]
        }
        """

    /// What the check says of a folder with one source, and whether it is content.
    private func check(_ source: String) throws -> (isContent: Bool, output: String) {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(
            atPath: folder.file("Sources"), withIntermediateDirectories: true)
        try folder.write(source + "\n", to: "Sources/Last.swift")
        let ended = try run([Project.root.appending(path: "scripts/traps.sh").path, folder.path])
        return (ended.status == 0, ended.output)
    }

    @Test func aLineWithAReasonIsFine() throws {
        let (isContent, output) = try check(Self.source)
        #expect(isContent && output.isEmpty, "\(output)")
    }

    /// Whatever is new fails: another line, the same line once more, and a line without its comment.
    @Test(arguments: [
        (
            "guard values.count > 0 else { return 0 }", "guard values[0] > 0 else { return 0 }",
            "Last.swift:2: could trap"
        ),
        ("    // NO TRAP: there is one, checked by the guard above.\n", "", "Last.swift:3: could trap"),
        ("// NO TRAP: there", "// There", "Last.swift:4: could trap"),
        ("}\n", "}\n", "Last.swift:9: could trap"),
        ("return values[values.count &- 1]", "return values[0] + values[1]\n    + 2", "Last.swift:5: could trap"),
        ("return values[values.count &- 1]", "return values.last!", "Last.swift:4: forced"),
    ])
    func aLineWithoutAReasonFails(_ old: String, _ new: String, _ finding: String) throws {
        let source =
            old == "}\n"
            ? Self.source + "\n" + Self.source.replacing("// NO TRAP", with: "//")
            : Self.source.replacing(old, with: new)
        let (isContent, output) = try check(source)
        #expect(!isContent && output.contains(finding), "\(output)")
    }

    @Test func whatIsForcedHasNoReason() throws {
        let (isContent, output) = try check("// NO TRAP: why.\nlet last = values.last!")
        #expect(!isContent && output.contains("Last.swift:2: forced"), "\(output)")
    }

    /// A SAFETY comment without a number is the reason of what is unsafe in the declaration that it stands in alone.
    @Test func unsafeNeedsAReasonInItsDeclaration() throws {
        let body = "    return unsafe pointer.pointee"
        let safe = "func first() -> Int {\n    // SAFETY: lent for the call.\n\(body)\n}"
        #expect(try check(safe + "\n// NO TRAP: both are small.\nlet more = a + b").isContent)
        let (isContent, output) = try check("\(safe)\nfunc second() -> Int {\n\(body)\n}")
        #expect(!isContent && output.contains("Last.swift:6: could trap"), "\(output)")
    }

    /// With a number it is besides the reason of so many unsafe lines that could trap otherwise, too.
    @Test(arguments: [("(1)", true), ("", false), ("(2)", false), ("(here and below)", false)])
    func unsafeThatCouldTrapOtherwiseIsCounted(_ number: String, _ isRight: Bool) throws {
        let source = """
            func first(_ place: Int) -> Int {
                // SAFETY \(number): lent for the call, and the place is one of it.
                let base = unsafe pointer.pointee
                return unsafe base[place]
            }
            """.replacing("SAFETY :", with: "SAFETY:")
        let (isContent, output) = try check(source)
        #expect(isContent == isRight, "\(output)")
    }

    /// The number of lines that a comment is the reason of is that of its declaration, no more and no fewer.
    @Test(arguments: [
        ("(2)", true), ("(1)", false), ("(3)", false), ("(0)", false), ("", false), ("(2 in this file)", true),
        ("(3 in this file)", false),
    ])
    func aCommentSaysOfHowManyLines(_ number: String, _ isRight: Bool) throws {
        let source = """
            func sum(_ values: [Int]) -> Int {
                guard values.count > 1 else { return 0 }
                // NO TRAP \(number): there are two, checked by the guard above.
                let first = values[0]
                return values[1] &+ first
            }
            """.replacing("TRAP :", with: "TRAP:")
        let (isContent, output) = try check(source)
        #expect(isContent == isRight, "\(output)")
    }

    /// Several comments of one declaration add up; in front of it is in it, behind it is not.
    @Test func commentsAddUp() throws {
        let body = "let first = values[0]\n    // NO TRAP: an index.\n    return values[1] &+ first\n}"
        let declaration = "func sum(_ values: [Int]) -> Int {\n    \(body)"
        #expect(try check("/// The sum.\n// NO TRAP: an index.\n@inline(__always)\n" + declaration).isContent)
        #expect(try check(declaration.replacing("return", with: "// NO TRAP: two.\n    return")).isContent)
        let (isContent, output) = try check(declaration + "\n// NO TRAP: an index.\nfunc more() {}")
        #expect(
            !isContent && output.contains("Last.swift:6: there are comments on 1 lines")
                && output.contains("of which 0"),
            "\(output)")
    }

    /// One reason of many declarations stands once in the file, with the number of lines in all of them that have none
    /// of their own.
    @Test func aReasonMayBeThatOfTheFile() throws {
        let head = "// What it does.\n//\n// SAFETY (2 in this file): lent for the call.\n\n"
        let first = "func first() -> Int { unsafe pointer.pointee }\n"
        let second = "func second() -> Int { unsafe pointer.pointee }\n"
        #expect(try check(head + first + second).isContent)
        #expect(try check(head + first + second + "// NO TRAP: small.\nfunc third() -> Int { a + b }").isContent)
        let few = try check(head + first)
        #expect(!few.isContent && few.output.contains("are about 2 lines of any declaration, but 1"), "\(few.output)")
        let many = try check(head + first + second + "func third() -> Int { unsafe pointer.pointee }")
        #expect(!many.isContent && many.output.contains("Last.swift:7: could trap"), "\(many.output)")
    }

    @Test(arguments: ["// NO TRAP: there is one", "// NO TRAP (2): there are some", "// SAFETY (1): lent"])
    func aCommentHasItsLine(_ comment: String) throws {
        let (isContent, output) = try check("\(Self.source)\nfunc nothing() {\n    \(comment).\n}")
        #expect(!isContent && output.contains("Last.swift:7: there are comments on"), "\(output)")
    }

    @Test(arguments: ["// NO TRAP: ?", "// NO TRAP:", "// NO TRAP: "])
    func aReasonHasWords(_ reason: String) throws {
        let source = Self.source.replacing("// NO TRAP: there is one, checked by the guard above.", with: reason)
        #expect(try !check(source).isContent)
    }

    @Test func withoutSourcesItFails() throws {
        #expect(try !check("").isContent)
    }
}
