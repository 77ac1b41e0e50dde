// SPDX-License-Identifier: GPL-2.0-or-later
// Tests/Relays.md has a row for everything that scripts and operators may use, and names no test that is not there.

import Foundation
import TestSupport
import Testing

@Suite struct RelayPageTests {
    /// The names in the first column of the tables.
    private static func rows() throws -> Set<String> {
        Set(try TestPage("Relays.md").rows.flatMap { try Readme.matches("`([^`]+)`", in: $0.first ?? "") })
    }

    @Test func everyTestOnThePageExists() throws {
        let named = try TestPage("Relays.md").tests()
        #expect(named.count > 30)
        #expect(try named.subtracting(TestPage.existingTests()).isEmpty)
    }

    @Test func everyCellHasATestOrSaysWhyNot() throws {
        for row in try TestPage("Relays.md").rows {
            #expect(row.count == 3 && row.allSatisfy { !$0.isEmpty }, "\(row)")
        }
    }

    @Test func everyTestOfTheRelaysIsOnThePage() throws {
        let tests = try TestPage.existingTests(by: "@Test[^{]*?func ([A-Za-z0-9]+)\\(") {
            ["BothRelaysTests", "RelayFunctionTests", "RelayFlagTests", "RelayViewTests"].contains($0)
        }
        #expect(tests.count > 30)
        #expect(try tests.subtracting(TestPage("Relays.md").tests()).isEmpty)
    }

    @Test func everyFunctionFlagVariableAndCommandHasARow() throws {
        func source(_ name: String) throws -> String {
            try String(contentsOfFile: "\(PackageFolder.root)/kamailio-glue/\(name)", encoding: .utf8)
        }
        let rows = try Self.rows()
        let functions = try Readme.matches(#"\{"(\w+)", \(cmd_function\)"#, in: source("script.c"))
        let commands = try Readme.matches(#"\{"(rtpproxy\.\w+)", rpc_"#, in: source("rpc.c"))
        let variables = try Readme.matches(#"(?m)^##+ .*(\$rtpp?_?\w+)"#, in: Readme.text())
        let flag = "(?m)^\\| `([0-9a-z][N]*)`(?: `[a-z]`)? \\| [^|]*\\| [^|]*\\|$"
        let flags = try Readme.matches(flag, in: Readme.text())
        #expect(Set(functions).count >= 15 && commands.count >= 8 && variables.count >= 6 && flags.count >= 13)
        for name in functions + commands + variables + flags { #expect(rows.contains(name), "\(name)") }
    }
}
