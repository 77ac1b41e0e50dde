// SPDX-License-Identifier: GPL-2.0-or-later
// docs/operator/migration.md: what stands there by hand, and below it the list of differences, written from here.

import Foundation
import TestSupport

/// What the page says of one difference.
struct PageEntry: Sendable {
    /// The chapters of the list, in the order of the page.
    enum Chapter: String, CaseIterable {
        case configuration = "Configuration"
        case functions = "Functions"
        case messages = "Messages"
        case commands = "Commands"
        case relays = "RTPProxies"
        case additions = "What only this module has"
    }

    var chapter: Chapter
    /// Markdown, from the user's side. It begins with what it is about, in bold.
    var text: String

    init(_ chapter: Chapter, _ text: String) {
        self.chapter = chapter
        self.text = text
    }
}

enum MigrationPage {
    static let path = "\(PackageFolder.root)/docs/operator/migration.md"

    /// The line of the page below which everything is written from here.
    static let mark = "<!-- `make page` writes what follows from Tests/Compare: edit it there. -->"

    /// Chapter by chapter what `make compare` sees, then what it does not see.
    static var list: String {
        let entries = Difference.all.map(\.entry) + PageEntry.notCompared
        return PageEntry.Chapter.allCases.map { chapter in
            let texts = entries.filter { $0.chapter == chapter }.map { wrapped($0.text) }
            return (["### \(chapter.rawValue)", ""] + texts).joined(separator: "\n")
        }.joined(separator: "\n\n") + "\n"
    }

    /// The page as it should be: the text up to the mark as it is, then the list.
    static func renewed(_ page: String) throws -> String {
        guard let end = page.range(of: mark + "\n") else { throw HarnessError("\(path) has lost its line: \(mark)") }
        return page[..<end.upperBound] + "\n" + list
    }

    /// Writes the page.
    static func write() throws {
        let page = try String(contentsOfFile: path, encoding: .utf8)
        try renewed(page).write(toFile: path, atomically: true, encoding: .utf8)
    }

    /// An item of a list, in lines of at most 120 characters.
    private static func wrapped(_ text: String) -> String {
        var lines: [String] = []
        var line = "-"
        for word in text.split(whereSeparator: \.isWhitespace) {
            if line.count + 1 + word.count > 120 {
                lines.append(line)
                line = " "
            }
            line += " " + word
        }
        return (lines + [line]).joined(separator: "\n")
    }
}
