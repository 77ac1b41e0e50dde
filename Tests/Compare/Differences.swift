// SPDX-License-Identifier: GPL-2.0-or-later
// The list of deliberate differences from the other module, Kamailio's own. docs/operator/migration.md is written from
// it.

extension Difference {
    static let all: [Difference] = descriptions + commands + arguments + failures + functions + bodies + starts
}
