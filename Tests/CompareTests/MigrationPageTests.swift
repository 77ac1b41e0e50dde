// SPDX-License-Identifier: GPL-2.0-or-later
// docs/operator/migration.md is what Tests/Compare makes of it.

import Foundation
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

    @Test func noDifferenceIsThereTwice() {
        let texts = (Difference.all.map(\.entry) + PageEntry.notCompared).map(\.text)
        #expect(Set(texts).count == texts.count)
        #expect(Set(Difference.all.map(\.name)).count == Difference.all.count)
    }
}
