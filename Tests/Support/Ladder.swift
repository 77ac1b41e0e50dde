// SPDX-License-Identifier: GPL-2.0-or-later
// Messages between several parties as a ladder, in plain text.

import Foundation
import Synchronization

/// Collects arrows between named columns, from any thread, and draws them in the order of their time.
public final class Ladder: Sendable {
    struct Arrow: Sendable {
        var time: UInt64
        var from: Int
        var to: Int
        var label: String
    }

    private let columns: [String]
    private let arrows = Mutex<[Arrow]>([])

    public init(_ columns: [String]) {
        self.columns = columns
    }

    /// Adds an arrow from one column to another. `time`: when it was, in nanoseconds of the machine's uptime; nil: now.
    public func add(_ from: String, _ to: String, _ label: String, at time: UInt64? = nil) {
        guard let from = columns.firstIndex(of: from), let to = columns.firstIndex(of: to), from != to else { return }
        let time = time ?? DispatchTime.now().uptimeNanoseconds
        arrows.withLock { $0.append(Arrow(time: time, from: from, to: to, label: label)) }
    }

    /// The labels in the order of their time.
    public var labels: [String] {
        arrows.withLock { $0 }.sorted { $0.time < $1.time }.map(\.label)
    }

    /// The drawing: milliseconds since the first arrow, then the columns.
    public var text: String {
        let sorted = arrows.withLock { $0 }.sorted { $0.time < $1.time }
        guard let start = sorted.first?.time else { return "" }
        // A gap is as wide as its longest label needs; the middle of the columns' titles stands over their lines.
        var positions = [12]
        for gap in 0..<max(0, columns.count - 1) {
            let longest =
                sorted.filter { min($0.from, $0.to) == gap && max($0.from, $0.to) == gap + 1 }
                .map(\.label.count).max() ?? 0
            let titles = (columns[gap].count + columns[gap + 1].count) / 2 + 2
            positions.append(positions[gap] + max(longest + 7, titles, 12))
        }
        let width = (positions.last ?? 0) + 8
        var title = [Character](repeating: " ", count: width + 20)
        for (column, position) in zip(columns, positions) {
            title.replaceSubrange(at: position - column.count / 2, with: column)
        }
        var lines = [String(title)]
        for arrow in sorted {
            var line = [Character](repeating: " ", count: width)
            line.replaceSubrange(at: 0, with: String(format: "%6.1f ms", Double(arrow.time - start) / 1e6))
            for position in positions { line[position] = "|" }
            let left = positions[min(arrow.from, arrow.to)] + 1
            let right = positions[max(arrow.from, arrow.to)] - 1
            for index in left...right { line[index] = "-" }
            if arrow.from < arrow.to { line[right] = ">" } else { line[left] = "<" }
            let label = " \(arrow.label) "
            line.replaceSubrange(at: left + (right - left + 1 - label.count) / 2, with: label)
            lines.append(String(line))
        }
        return lines.map { line in
            var line = line
            while line.last == " " { line.removeLast() }
            return line
        }.joined(separator: "\n")
    }
}

extension [Character] {
    /// Overwrites characters from `position` on.
    fileprivate mutating func replaceSubrange(at position: Int, with text: String) {
        for (offset, character) in text.enumerated() where indices.contains(position + offset) {
            self[position + offset] = character
        }
    }
}
