// SPDX-License-Identifier: GPL-2.0-or-later
// Reads what callgrind has counted between two messages, by whose instructions they were.

import Foundation
import TestSupport

/// User-space instructions of one message.
struct Instructions {
    /// All of them.
    var total = 0
    /// Of functions in the module's own file; those that it calls are elsewhere.
    var own = 0
    /// Of malloc() and free() and of Kamailio's allocators, with all that these call.
    var allocator = 0

    /// Kamailio's, the C library's and the loader's, without the allocators'.
    var others: Int { total - own - allocator }

    static func - (a: Instructions, b: Instructions) -> Instructions {
        Instructions(total: a.total - b.total, own: a.own - b.own, allocator: a.allocator - b.allocator)
    }

    /// Reads a dump that was written without compression of names and positions.
    init(dump path: String, module: String) throws {
        guard let data = FileManager.default.contents(atPath: path) else { throw HarnessError("there is no \(path)") }
        var isOwn = false
        var isAllocator = false
        var callsAllocator = false
        // The line behind `calls=` has the cost of the called function, not of this one.
        var isCall = false
        for line in data.split(separator: UInt8(ascii: "\n")) {
            guard let first = line.first else { continue }
            if first >= UInt8(ascii: "0"), first <= UInt8(ascii: "9") {
                guard let cost = Self.cost(line) else { throw HarnessError("\(path) cannot be read") }
                if isCall {
                    if callsAllocator, !isAllocator { allocator += cost }
                    isCall = false
                } else {
                    total += cost
                    if isOwn { own += cost }
                }
            } else if line.starts(with: Self.object) {
                isOwn = line.dropFirst(Self.object.count).elementsEqual(module.utf8)
            } else if line.starts(with: Self.function) {
                isAllocator = Self.isAllocator(line.dropFirst(Self.function.count))
            } else if line.starts(with: Self.callee) {
                callsAllocator = Self.isAllocator(line.dropFirst(Self.callee.count))
            } else if line.starts(with: Self.calls) {
                isCall = true
            }
        }
    }

    private init(total: Int, own: Int, allocator: Int) {
        self.total = total
        self.own = own
        self.allocator = allocator
    }

    private static let object = Array("ob=".utf8)
    private static let function = Array("fn=".utf8)
    private static let callee = Array("cfn=".utf8)
    private static let calls = Array("calls=".utf8)

    /// The number behind the first blank; 0 where there is none, as callgrind leaves it out then.
    private static func cost(_ line: Data) -> Int? {
        guard let blank = line.firstIndex(of: 0x20) else { return 0 }
        return Int(String(decoding: line[(blank + 1)...], as: UTF8.self).split(separator: " ").first ?? "0")
    }

    private static func isAllocator(_ name: Data) -> Bool {
        let text = String(decoding: name.prefix { $0 != UInt8(ascii: "'") }, as: UTF8.self)
        if ["malloc", "free", "calloc", "realloc", "reallocarray", "memalign", "posix_memalign"].contains(text) {
            return true
        }
        return ["qm_", "fm_", "tlsf_"].contains { text.hasPrefix($0) }
    }
}

/// The dumps of the one SIP worker: one per message, written as the next message begins.
struct MessageDumps {
    let folder: String

    /// What is put in front of Kamailio's own command.
    var command: [String] {
        [
            "valgrind", "--quiet", "--tool=callgrind", "--callgrind-out-file=\(folder)/dump.%p",
            "--dump-before=receive_msg", "--compress-strings=no", "--compress-pos=no", "--separate-callers=0",
        ]
    }

    /// The files in the order in which they were written.
    var all: [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        let numbered = names.compactMap { name -> (Int, String)? in
            let parts = name.split(separator: ".")
            guard parts.count == 3, parts[0] == "dump", let number = Int(parts[2]) else { return nil }
            return (number, "\(folder)/\(name)")
        }
        return numbered.sorted { $0.0 < $1.0 }.map(\.1)
    }

    /// Waits until no further one comes, and says how many there are.
    func count() -> Int {
        var count = all.count
        var quiet = 0
        while quiet < 10 {
            usleep(100_000)
            let now = all.count
            quiet = now == count ? quiet + 1 : 0
            count = now
        }
        return count
    }
}
