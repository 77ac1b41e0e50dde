// SPDX-License-Identifier: GPL-2.0-or-later
// What the fuzzer checks, over the inputs that it begins with and those that are kept.

import FuzzProperties
import Testing

@Suite(.serialized) struct FuzzTests {
    @Test(arguments: FuzzTarget.allCases)
    func whatOnceBrokeSomethingHoldsNow(_ target: FuzzTarget) {
        let kept = Seeds.kept(target)
        #expect(!kept.isEmpty)
        check(kept, target)
    }

    @Test(arguments: FuzzTarget.allCases)
    func theSeedsHold(_ target: FuzzTarget) {
        let seeds = Seeds.of(target)
        #expect(!seeds.isEmpty)
        check(seeds, target)
    }

    /// Each seed cut short, as far as time allows.
    @Test(arguments: FuzzTarget.allCases.filter { $0 != .calls })
    func whatIsCutShortHolds(_ target: FuzzTarget) {
        let properties = target.properties()
        for seed in Seeds.of(target) + Seeds.kept(target) {
            for length in stride(from: 0, to: seed.bytes.count, by: 1 + seed.bytes.count / 100) {
                check(Seed(seed.name, Array(seed.bytes.prefix(length))), properties)
            }
        }
    }

    private func check(_ seeds: [Seed], _ target: FuzzTarget) {
        let properties = target.properties()
        for seed in seeds { check(seed, properties) }
    }

    private func check(_ seed: Seed, _ properties: any Properties) {
        do throws(Broken) {
            try properties.check(seed.bytes)
        } catch {
            Issue.record("\(seed.name): \(error)")
        }
    }
}
