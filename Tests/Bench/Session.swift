// SPDX-License-Identifier: GPL-2.0-or-later
// One run of the bench: the two modules, what is measured, what was found wrong.

import BenchPrograms
import Foundation
import TestSupport

/// One of the two modules that are compared.
struct Module {
    let name: String
    let path: String
    let isOurs: Bool
    /// Whether it is the build that `AGAINST` names, beside stock and ours.
    var isEarlier = false

    /// Whether its file names a parameter, which is to say whether it has it.
    func knows(_ parameter: String) -> Bool {
        guard let file = try? Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped) else { return false }
        return file.range(of: Data(parameter.utf8)) != nil
    }
}

/// A Kamailio with one of the modules, and its relay.
struct Bed {
    let module: Module
    let relay: RelayProcess
    let kamailio: KamailioProcess
}

/// Runs the figures and prints them.
final class Session {
    let options: Options
    /// Stock and ours, in the order of their turns.
    let modules: [Module]
    /// The distribution's, the earlier build where one is named, and ours.
    let modulesWithEarlier: [Module]
    private(set) var failed = false
    private let version: String

    init(_ options: Options) throws {
        self.options = options
        let installation = try KamailioInstallation.find()
        version = installation.version
        modules = [
            Module(name: "stock", path: options.against ?? installation.stockModule, isOurs: false),
            Module(name: "ours", path: try RTPProxyModule.underTest.path(in: installation), isOurs: true),
        ]
        var all = modules
        if let against = options.against {
            all[0] = Module(name: "stock", path: installation.stockModule, isOurs: false)
            all.insert(Module(name: "earlier", path: against, isOurs: true, isEarlier: true), at: 1)
        }
        modulesWithEarlier = all
        for module in all where !FileManager.default.fileExists(atPath: module.path) {
            throw HarnessError("there is no module at \(module.path)")
        }
    }

    /// A number, or a smaller one where it has to be quick.
    func size(_ full: Int, quick: Int) -> Int { options.isQuick ? quick : full }
    /// The same.
    func size(_ full: Double, quick: Double) -> Double { options.isQuick ? quick : full }

    func run() {
        let started = monotonicMilliseconds()
        let host = ProcessInfo.processInfo
        let runs = options.runs == 1 ? "1 run" : "medians of \(options.runs) runs (smallest..biggest)"
        print("\(version), \(host.processorCount) cores (\(processorName)), load \(loadAverage)")
        print("stock: \(modules[0].path)\nours:  \(modules[1].path)")
        print(options.isQuick ? "\(runs), small numbers: these figures mean little\n" : "\(runs)\n")
        print(Table.line(["", "", "stock", "ours", "ratio"]))
        for figure in options.figures {
            print("\(figure.name): \(figure.title)")
            print("  (\(figure.parameters(self)))")
            if figure.hasAsynchronous {
                print(Table.line(["", "", "stock", "ours", "ours, asynchronous", "ratio"]))
            }
            let hasEarlier = options.against != nil
            if figure.hasEarlier, hasEarlier {
                print(Table.line(["", "", "stock", "AGAINST", "ours", "ratio"]))
            }
            fflush(nil)
            bench_use_one_core(figure.isOnOneCore ? 1 : 0)
            defer { bench_use_one_core(0) }
            do {
                for row in try figure.measure(self) {
                    print(Table.line(row, of: figure, hasEarlier: hasEarlier))
                }
            } catch {
                flag("\(figure.name) could not be measured: \(error)", isFailure: true)
            }
            print("")
        }
        print("took \((monotonicMilliseconds() - started) / 1000) s, load \(loadAverage)")
    }

    /// Says what does not work.
    func flag(_ text: String, isFailure: Bool) {
        print("  !! \(text)")
        if isFailure { failed = true }
    }

    /// Says so where calls were not answered, or not rightly.
    func check(_ result: LoadResult, _ bed: Bed) {
        var faults: [String] = []
        if result.wrong > 0 { faults.append("\(result.wrong) forwarded wrongly") }
        if result.refused > 0 { faults.append("\(result.refused) refused") }
        if result.lost > 0 { faults.append("\(result.lost) lost") }
        if result.sent == 0 { faults.append("none sent") }
        guard !faults.isEmpty else { return }
        flag(
            "\(bed.module.name): of \(result.sent) calls \(faults.joined(separator: ", "))",
            isFailure: bed.module.isOurs)
    }

    /// Runs `body` with a Kamailio for a module; it ends with it.
    func with<R>(
        _ module: Module, delay: Int = 0, _ settings: (RelayProcess) throws -> KamailioSettings,
        _ body: (Bed) throws -> R
    ) throws -> R {
        let relay = try RelayProcess(delayMicroseconds: delay)
        defer { relay.stop() }
        let bed = Bed(module: module, relay: relay, kamailio: try KamailioProcess(module: module.path, settings(relay)))
        defer {
            if let fault = bed.kamailio.stop() { flag("\(module.name): \(fault)", isFailure: module.isOurs) }
        }
        return try body(bed)
    }

    /// Runs `body` with a Kamailio for each module, both there at the same time.
    func withBoth<R>(
        delay: Int = 0, _ settings: (RelayProcess) throws -> KamailioSettings, _ body: ([Bed]) throws -> R
    ) throws -> R {
        try with(modules[0], delay: delay, settings) { first in
            try with(modules[1], delay: delay, settings) { try body([first, $0]) }
        }
    }

    /// The same, without the stock module where that does not start in time.
    func withBothOrOurs<R>(
        delay: Int, _ settings: (RelayProcess) throws -> KamailioSettings, _ body: ([Bed]) throws -> R
    ) throws -> R {
        do {
            return try withBoth(delay: delay, settings, body)
        } catch let error as NotStarted where error.module == modules[0].path {
            return try with(modules[1], delay: delay, settings) { try body([$0]) }
        }
    }

    /// Runs `body` for each run and in it for each of `things` in turn.
    func inTurn<T>(_ things: [T], _ body: (T) throws -> Void) throws {
        for _ in 0..<options.runs { for thing in things { try body(thing) } }
    }

    private var loadAverage: String {
        var averages = [0.0]
        return getloadavg(&averages, 1) == 1 ? String(format: "%.2f", averages[0]) : "unknown"
    }

    private var processorName: String {
        let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("model name") }
        return line.flatMap { $0.split(separator: ":").last?.trimmingCharacters(in: .whitespaces) } ?? "unknown"
    }
}
