// SPDX-License-Identifier: GPL-2.0-or-later
// The list of deliberate differences from the stock module. The README's chapter is written from it.

extension Difference {
    static let all: [Difference] = []
}
