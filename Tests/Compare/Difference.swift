// SPDX-License-Identifier: GPL-2.0-or-later
// What a deliberate difference is, and how outcomes are held against the list of them.

/// A rule: in which cases the modules may differ, in what, and why that is better for the user.
struct Difference: Sendable {
    /// A few words.
    var name: String
    /// What docs/operator/migration.md says of it.
    var entry: PageEntry
    /// The aspects that may differ.
    var aspects: Set<Aspect>
    /// In which cases.
    var applies: @Sendable (Case) -> Bool
    /// Takes out of both outcomes what may differ; without it, the aspects as a whole may.
    var levels: (@Sendable (inout Outcome) -> Void)?
    /// What must hold where they differ.
    var holds: (@Sendable (_ stock: Outcome, _ ours: Outcome) -> Bool)?

    init(
        _ name: String, _ chapter: PageEntry.Chapter, _ text: String, in aspects: Set<Aspect>,
        where applies: @escaping @Sendable (Case) -> Bool,
        levels: (@Sendable (inout Outcome) -> Void)? = nil,
        holds: (@Sendable (_ stock: Outcome, _ ours: Outcome) -> Bool)? = nil
    ) {
        self.name = name
        entry = PageEntry(chapter, text)
        self.aspects = aspects
        self.applies = applies
        self.levels = levels
        self.holds = holds
    }

    /// Ours does nothing and returns -1.
    static let refused: @Sendable (Outcome, Outcome) -> Bool = { _, ours in
        ours[.wire].isEmpty && ours[.code].contains { $0.hasSuffix(" -1") }
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

/// The parts of a command line `a: U6c0 callid address port tag;1`.
struct WireLine {
    var words: [String]

    init(_ text: String) {
        words = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
    }

    var text: String { words.joined(separator: " ") }
    /// The letter and its modifiers.
    var command: String {
        get { words.count > 1 ? words[1] : "" }
        set { if words.count > 1 { words[1] = newValue } }
    }
    var isMedia: Bool { command.first.map { "UL".contains($0) } == true && words.count >= 6 }
    var address: String {
        get { words.count > 3 ? words[3] : "" }
        set { if words.count > 3 { words[3] = newValue } }
    }
    var port: String {
        get { words.count > 4 ? words[4] : "" }
        set { if words.count > 4 { words[4] = newValue } }
    }
    /// The payload types behind `c`.
    mutating func removeCodecs() {
        if let c = command.firstIndex(of: "c") { command = String(command[..<c]) }
    }
    /// What stands before `Z` and `c`.
    var flags: Substring { command.prefix { $0 != "Z" && $0 != "c" } }
    /// Whether `6` is among the modifiers.
    var isIPv6: Bool { flags.contains("6") }

    mutating func removeSix() {
        command = String(flags).replacing("6", with: "") + command.dropFirst(flags.count)
    }
}
