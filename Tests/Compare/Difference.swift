// SPDX-License-Identifier: GPL-2.0-or-later
// What a deliberate difference is, and how outcomes are held against the list of them.

/// A rule: in which cases the modules may differ, in what, and why that is better for the user.
struct Difference: Sendable {
    /// A few words.
    var name: String
    /// One sentence, from the user's side.
    var reason: String
    /// The aspects that may differ.
    var aspects: Set<Aspect>
    /// In which cases.
    var applies: @Sendable (Case) -> Bool
    /// Takes out of both outcomes what may differ; without it, the aspects as a whole may.
    var levels: (@Sendable (inout Outcome) -> Void)?
    /// What must hold where they differ.
    var holds: (@Sendable (_ stock: Outcome, _ ours: Outcome) -> Bool)?

    init(
        _ name: String, _ reason: String, in aspects: Set<Aspect>, where applies: @escaping @Sendable (Case) -> Bool,
        levels: (@Sendable (inout Outcome) -> Void)? = nil,
        holds: (@Sendable (_ stock: Outcome, _ ours: Outcome) -> Bool)? = nil
    ) {
        self.name = name
        self.reason = reason
        self.aspects = aspects
        self.applies = applies
        self.levels = levels
        self.holds = holds
    }

    private func level(_ outcome: inout Outcome) {
        guard let levels else {
            for aspect in aspects { outcome[aspect] = [] }
            return
        }
        var changed = outcome
        levels(&changed)
        for aspect in aspects { outcome[aspect] = changed[aspect] }
    }

    /// The rules of `list` that explain the difference of two outcomes; nil where they do not explain all of it.
    static func explain(_ test: Case, _ stock: Outcome, _ ours: Outcome, by list: [Difference]) -> [Int]? {
        if stock == ours { return [] }
        let candidates = list.indices.filter {
            list[$0].applies(test) && (list[$0].holds?(stock, ours) ?? true)
        }
        func equal(_ rules: [Int]) -> Bool {
            var (a, b) = (stock, ours)
            for rule in rules {
                list[rule].level(&a)
                list[rule].level(&b)
            }
            return a == b
        }
        guard equal(candidates) else { return nil }
        // Only those that are needed count as used.
        var needed = candidates
        for rule in candidates.reversed() {
            let fewer = needed.filter { $0 != rule }
            if equal(fewer) { needed = fewer }
        }
        return needed
    }
}
