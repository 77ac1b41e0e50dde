// SPDX-License-Identifier: GPL-2.0-or-later
// Processes that are killed with SIGKILL at each instruction that changes the memory that all share.

import Foundation
import Stepping
import Testing

@testable import SharedState

/// A process that was killed.
struct Killed {
    /// How often it had changed the memory by then.
    let changes: Int
}

/// Memory that forked processes share, zeroed.
final class SharedBlock {
    let memory: UnsafeMutableRawPointer
    let size: Int
    /// No work of a test takes as many instructions, or changes the memory as often.
    private static let mostInstructions = 1_000_000
    private static let mostChanges = 1000

    init(size: Int) throws {
        let mapped = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
        memory = try #require(mapped != MAP_FAILED ? mapped : nil)
        self.size = size
    }

    /// A table of `definitions`, with room for `capacity`.
    convenience init(_ definitions: [NodeDefinition], capacity: Int = 0) throws {
        try self.init(size: NodeTableLayout(capacity: max(capacity, definitions.count)).size)
        try NodeTable.create(in: memory, size: size, definitions, capacity: capacity)
    }

    deinit { munmap(memory, size) }

    func table() throws -> NodeTable { try NodeTable(attaching: memory, size: size) }

    /// All of it, as it is now.
    var image: [UInt8] { Array(UnsafeRawBufferPointer(start: memory, count: size)) }

    /// Makes it what it was.
    func restore(_ image: [UInt8]) {
        UnsafeMutableRawBufferPointer(start: memory, count: size).copyBytes(from: image)
    }

    /// Has a process of its own do `work` on this memory, and has `check` look at what a SIGKILL leaves, once before and
    /// once behind each instruction that changes the memory; it may do with it what the others would. Each begins with
    /// the memory as it is now. Returns how often the work changes the memory.
    ///
    /// The process is stepped through its work once, and the memory is copied at each change. So many `kills` are made
    /// in earnest, spread over the work, to see that they leave one of these images: between two instructions there is
    /// nothing else to be left. (Doing it at each would take minutes: every kill needs all steps up to there.)
    @discardableResult
    func killAtEachChange(kills: Int = 4, _ work: () -> Void, _ check: (Killed) throws -> Void) throws -> Int {
        let before = image
        // What a child runs has been run before: it must not meet a lock that some thread had at the fork.
        work()
        restore(before)
        let (images, changes, length) = try step(work)
        try #require(images.first == before && length > 0 && length < Self.mostInstructions)
        for kill in 0..<kills {
            restore(before)
            let place = changes.isEmpty ? length - 1 : changes[changes.count * kill / kills]
            _ = run(work, place)
            #expect(images.contains(image))
        }
        for (count, left) in images.enumerated() {
            restore(left)
            try check(Killed(changes: count))
        }
        restore(before)
        return changes.count
    }

    /// Steps through the work: the memory at the beginning and behind each instruction that changed it, which these
    /// are, and how many instructions there are.
    private func step(_ work: () -> Void) throws -> (images: [[UInt8]], changes: [Int], length: Int) {
        let room = Self.mostChanges
        let copies = UnsafeMutableRawBufferPointer.allocate(byteCount: size * (room + 1), alignment: 64)
        defer { copies.deallocate() }
        var changes = [Int](repeating: 0, count: room)
        let (length, count) = changes.withUnsafeMutableBufferPointer { changes in
            var watch = stepping_watch(
                memory: memory, size: size, images: copies.baseAddress, changes: changes.baseAddress, room: room,
                count: 0)
            return (run(work, Self.mostInstructions, &watch), watch.count)
        }
        try #require(count < room)
        let images = (0...count).map { Array(copies[($0 * size)..<(($0 + 1) * size)]) }
        return (images, Array(changes[..<count]), length)
    }

    private func run(_ work: () -> Void, _ limit: Int, _ watch: UnsafeMutablePointer<stepping_watch>? = nil) -> Int {
        withoutActuallyEscaping(work) { work in
            let box = Unmanaged.passRetained(Work(work))
            defer { box.release() }
            let start: @convention(c) (UnsafeMutableRawPointer?) -> Void = { context in
                if let context { Unmanaged<Work>.fromOpaque(context).takeUnretainedValue().run() }
            }
            return stepping_run(start, box.toOpaque(), limit, watch)
        }
    }

    private final class Work {
        let run: () -> Void
        init(_ run: @escaping () -> Void) { self.run = run }
    }
}
