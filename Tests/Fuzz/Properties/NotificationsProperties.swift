// SPDX-License-Identifier: GPL-2.0-or-later
// Notifications: the same tags in whatever pieces they come, each a word, and each told once.
//
// Input: what RTPProxy, or who pretends to be one, writes to the socket.

import Bytes
import ControlProtocol

@testable import CallControl

final class NotificationsProperties: Properties {
    func check(_ input: [UInt8]) throws(Broken) {
        let whole = read(input, pieces: [input.count])
        try require(whole.tags == expected(input, whole.isForeign), "not the tags that stand there")
        try require(read(input, pieces: [1]) == whole, "byte by byte it is something else")
        try require(read(input, pieces: [256]) == whole, "in pieces as they are read it is something else")
        try require(read(input, pieces: input.prefix(8).map { Int($0) + 1 }) == whole, "in pieces it is something else")
        try checkMemory(whole.tags)
    }

    private struct Outcome: Equatable {
        var tags: [[UInt8]] = []
        var isForeign = false
    }

    /// Reads pieces of these lengths, round and round.
    private func read(_ input: [UInt8], pieces: [Int]) -> Outcome {
        var reader = NotificationReader()
        var outcome = Outcome()
        var (start, turn) = (0, 0)
        while start < input.count, !outcome.isForeign {
            let end = min(start + pieces[turn % pieces.count], input.count)
            let progress = reader.read(input.span, ByteRange(from: start, to: end)) { tag in
                var bytes: [UInt8] = []
                bytes.append(tag)
                outcome.tags.append(bytes)
            }
            if case .tooLong = progress { outcome.isForeign = true }
            (start, turn) = (end, turn + 1)
        }
        return outcome
    }

    /// The words among the lines, up to one that is too long.
    private func expected(_ input: [UInt8], _ isForeign: Bool) -> [[UInt8]]? {
        var tags: [[UInt8]] = []
        var lines = input.split(separator: 0x0A, omittingEmptySubsequences: false)
        let longest = NotificationReader.maximumLength
        let foreign = lines.firstIndex { $0.count > longest }
        guard (foreign != nil) == isForeign else { return nil }
        // What no line end follows is no line yet.
        lines.removeSubrange((foreign ?? lines.count - 1)...)
        for var line in lines {
            if line.last == 0x0D { line.removeLast() }
            let isWord = line.allSatisfy { $0 > 0x20 && $0 != 0x7F }
            if isWord, !line.isEmpty { tags.append(Array(line)) }
        }
        return tags
    }

    /// Told twice within moments, a tag is new once.
    private func checkMemory(_ tags: [[UInt8]]) throws(Broken) {
        var recent = RecentTags()
        var told = Set<[UInt8]>()
        for (now, tag) in tags.prefix(200).enumerated() {
            let isNew = recent.isNew(tag.span, now: 1 + UInt64(now))
            try require(isNew == told.insert(tag).inserted, "\(tag.shown) is told twice or not at all")
        }
        for tag in told.prefix(4) {
            let later = 1_000 + RecentTags.patience
            try require(recent.isNew(tag.span, now: later), "\(tag.shown) is never told again")
        }
    }
}
