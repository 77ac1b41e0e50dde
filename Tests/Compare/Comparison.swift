// SPDX-License-Identifier: GPL-2.0-or-later
// Runs every scene with both modules and judges what came out.

import Foundation
import Synchronization
import TestSupport

/// The results of all cases.
struct Comparison {
    struct Result {
        var test: Case
        var stock: Outcome
        var ours: Outcome
        /// Rules that explain the difference; nil where none do.
        var rules: [Int]?
    }

    private(set) var results: [Result] = []
    /// Scenes that could not be run.
    private var faults: [String] = []
    private let shows: Bool
    private let isWhole: Bool

    /// Runs the cases whose name contains `only`, and of those one in `every`.
    init(only: String?, shows: Bool, every: UInt32) throws {
        self.shows = shows
        isWhole = only == nil && every == 1
        func isChosen(_ test: Case) -> Bool {
            UInt32(truncatingIfNeeded: test.number) % every == 0 && (only == nil || test.name.contains(only ?? ""))
        }
        let starts = StartUp.all.filter { isChosen($0.test) }
        if !starts.isEmpty {
            try add(
                "start", Self.inParallel { stock in (starts.map(\.test), try starts.map { try $0.run(stock: stock) }) })
        }
        for var scene in Scene.all {
            scene.cases = scene.cases.filter(isChosen)
            if !isWhole, !"balancing/".contains(only ?? "-") { scene.balancedSets = 0 }
            guard !scene.cases.isEmpty || scene.balancedSets > 0 else { continue }
            let chosen = scene
            let both: (tests: [Case], stock: [Outcome], ours: [Outcome])
            do { both = try Self.inParallel { stock in try Self.run(chosen, stock: stock) } } catch {
                faults.append("\(scene.name): \(error)")
                continue
            }
            add(scene.name, both)
        }
    }

    /// Judges the outcomes of a scene.
    private mutating func add(_ name: String, _ both: (tests: [Case], stock: [Outcome], ours: [Outcome])) {
        for (index, test) in both.tests.enumerated() {
            let (stock, ours) = (both.stock[index], both.ours[index])
            let rules = Difference.explain(test, stock, ours, by: Difference.all)
            results.append(Result(test: test, stock: stock, ours: ours, rules: rules))
        }
        print("\(name): \(both.tests.count) cases")
        fflush(nil)
    }

    /// All cases of a scene with one module.
    private static func run(_ scene: Scene, stock: Bool) throws -> (tests: [Case], outcomes: [Outcome]) {
        guard Set(scene.cases.map(\.number)).count == scene.cases.count else {
            throw HarnessError("two cases of the scene share a name")
        }
        let bench = try Bench(scene, stock: stock)
        var tests = scene.cases
        var outcomes: [Outcome] = []
        for test in scene.cases { outcomes.append(try bench.run(test)) }
        for flags in scene.balancingFlags where scene.balancedSets > 0 {
            let lines = try bench.balance(scene.balancedSets, flags: flags)
            tests.append(Case("balancing/a thousand Call-IDs, flags '\(flags ?? "")'"))
            outcomes.append(Outcome(lines: [.instance: lines]))
        }
        try bench.kamailio.stop()
        return (tests, outcomes)
    }

    /// Runs `body` for both modules at the same time.
    private static func inParallel(
        _ body: @escaping @Sendable (Bool) throws -> (tests: [Case], outcomes: [Outcome])
    ) throws -> (tests: [Case], stock: [Outcome], ours: [Outcome]) {
        let found = Mutex<[Bool: Swift.Result<(tests: [Case], outcomes: [Outcome]), any Error>]>([:])
        DispatchQueue.concurrentPerform(iterations: 2) { index in
            let result = Swift.Result { try body(index == 0) }
            found.withLock { $0[index == 0] = result }
        }
        let (stock, ours) = found.withLock { ($0[true], $0[false]) }
        guard let stock, let ours else { throw HarnessError("a module was not run") }
        return (try ours.get().tests, try stock.get().outcomes, try ours.get().outcomes)
    }

    /// Prints what differs; true where all of it is deliberate and each rule was needed.
    func report() -> Bool {
        var uses: [Int: Int] = [:]
        var unexplained = 0
        for result in results {
            if let rules = result.rules {
                for rule in rules { uses[rule, default: 0] += 1 }
                if shows { Self.show(result, isAll: shows) }
            } else {
                unexplained += 1
                Self.show(result, isAll: shows)
            }
        }
        let equal = results.count { $0.rules?.isEmpty == true }
        print("\n\(results.count) cases: \(equal) alike, \(results.count - equal - unexplained) deliberately different")
        var idle = 0
        for (index, rule) in Difference.all.enumerated() {
            if uses[index] == nil { idle += 1 }
            if isWhole || uses[index] != nil {
                print("  \(uses[index] ?? 0) x \(rule.name): \(rule.entry.text.replacing("\n", with: " "))")
            }
        }
        if unexplained > 0 { print("\(unexplained) cases differ and no rule says why.") }
        if isWhole && idle > 0 { print("\(idle) rules were of no use: no case needs them.") }
        for fault in faults { print(fault) }
        return unexplained == 0 && faults.isEmpty && (!isWhole || idle == 0)
    }

    /// A case as text: what both did, and `-` before what the stock module did alone, `+` before what ours did.
    private static func show(_ result: Result, isAll: Bool) {
        print("\n--- \(result.test.name)" + (result.rules.map { " [\($0.map { Difference.all[$0].name })]" } ?? ""))
        for call in result.test.calls { print("    \(call.text)") }
        for aspect in Aspect.allCases {
            let (stock, ours) = (lines(result.stock[aspect]), lines(result.ours[aspect]))
            // What both did alike is long and known, unless it was asked for.
            if stock == ours && stock.count > 4 && !isAll { continue }
            if stock.isEmpty && ours.isEmpty { continue }
            print("  \(aspect):")
            var shown = 0
            var last = 0
            let changes = ours.difference(from: stock)
            let removed = Set(changes.removals.map { if case .remove(let at, _, _) = $0 { at } else { 0 } })
            for insertion in changes.insertions + [] {
                guard case .insert(let at, let line, _) = insertion else { continue }
                // The stock lines that stand before the insertion.
                while shown < stock.count, last < at || removed.contains(shown) {
                    print((removed.contains(shown) ? "    - " : "      ") + stock[shown])
                    if !removed.contains(shown) { last += 1 }
                    shown += 1
                }
                print("    + " + line)
                last += 1
            }
            while shown < stock.count {
                print((removed.contains(shown) ? "    - " : "      ") + stock[shown])
                shown += 1
            }
        }
    }

    private static func lines(_ texts: [String]) -> [String] {
        texts.flatMap { $0.readable.split(separator: "\n").map(String.init) }
    }
}
