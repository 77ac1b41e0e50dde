// SPDX-License-Identifier: GPL-2.0-or-later
// What the module's file costs: to load, and in the memory of a worker.

import Foundation
import TestSupport

extension KamailioProcess {
    /// KiB of a busy worker, what it shares with other processes counted in parts, and how much of it is Kamailio's
    /// shared memory: of the process that has used the most processor time.
    func proportionalMemoryOfAWorker() throws -> (all: Double, shared: Double) {
        let busiest = processes().map { (pid: $0, ticks: Self.ticks($0)) }.max { $0.ticks < $1.ticks }
        guard let busiest, let all = Self.memory("Pss:", of: busiest.pid),
            let shared = Self.memory("Pss_Shmem:", of: busiest.pid)
        else { throw HarnessError("Kamailio has no worker") }
        return (Double(all) / 1024, Double(shared) / 1024)
    }

    private static func ticks(_ pid: Int32) -> Int {
        let text = (try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)) ?? ""
        // Behind the name, which stands in parentheses: user time is the twelfth word, system time the next.
        let words = text.split(separator: ")").last?.split(separator: " ") ?? []
        return words.count > 12 ? (Int(words[11]) ?? 0) + (Int(words[12]) ?? 0) : 0
    }
}

extension Session {
    /// A library that tells how long dlopen() takes, compiled into a folder.
    private static func preloaded(in folder: TemporaryFolder) throws -> String {
        let library = folder.file("dlopen_time.so")
        let source = "\(PackageFolder.root)/Tests/Bench/Preload/dlopen_time.c"
        let made = try ChildProcess.run("cc", ["-O2", "-shared", "-fPIC", "-o", library, source], within: 60)
        guard made.end == .exited(0) else { throw HarnessError("cc: \(made.output)") }
        return library
    }

    /// Microseconds that dlopen() takes in a Kamailio that starts.
    fileprivate func timeToLoad(_ module: Module, _ library: String) throws -> Double {
        try with(module) {
            KamailioSettings(
                relays: $0.urls(1), workers: 1, waitsForOffer: false, wrapper: ["env", "LD_PRELOAD=\(library)"])
        } _: { bed in
            let words = bed.kamailio.log.components(separatedBy: "dlopen took ")
            guard words.count == 2, let time = Double(words[1].prefix { $0 != " " }) else {
                throw HarnessError("dlopen() was not seen:\n\(bed.kamailio.log.suffix(1000))")
            }
            return time / 1000
        }
    }

    fileprivate func withTimer<R>(_ body: (String) throws -> R) throws -> R {
        let folder = try TemporaryFolder()
        return try body(Self.preloaded(in: folder))
    }
}

extension Figure {
    static let footprint = Figure(
        name: "footprint", title: "the module's file, and what it costs a Kamailio",
        parameters: {
            "1 worker; memory: proportional (Pss), after \($0.size(4000, quick: 400)) calls of 8 streams, a Kamailio with "
                + "each module at the same time; dlopen: from disk cache"
        }
    ) { session in
        var file = Row("size of the file", "KiB")
        var memory = Row("memory of a busy worker", "KiB")
        var own = Row("the same without Kamailio's shared memory", "KiB")
        var loading = Row("dlopen()", "us")
        for module in session.modules {
            let attributes = try FileManager.default.attributesOfItem(atPath: module.path)
            file.add(Double(attributes[.size] as? Int ?? 0) / 1024, module)
        }
        for _ in 0..<session.options.runs {
            try session.withBoth {
                KamailioSettings(relays: $0.urls(1), workers: 1)
            } _: { beds in
                for bed in beds {
                    session.check(
                        try Load(streams: 8, calls: session.size(4000, quick: 400)).run(bed.kamailio), bed)
                }
                for bed in beds {
                    let found = try bed.kamailio.proportionalMemoryOfAWorker()
                    memory.add(found.all, bed.module)
                    own.add(found.all - found.shared, bed.module)
                }
            }
        }
        try session.withTimer { library in
            try session.inTurn(session.modules) { loading.add(try session.timeToLoad($0, library), $0) }
        }
        return [file, memory, own, loading]
    }
}
