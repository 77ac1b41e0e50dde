// SPDX-License-Identifier: GPL-2.0-or-later
// Rows of numbers, and how they are printed.

import Foundation

/// One line of the table: a value per run for each module.
struct Row {
    var label: String
    var unit: String
    var stock: [Double] = []
    var ours: [Double] = []
    /// Ours with its asynchronous functions.
    var asynchronous: [Double] = []
    /// An earlier build of ours, beside both.
    var earlier: [Double] = []
    /// What is shown where there are no values.
    var absence = "-"

    init(_ label: String, _ unit: String, absence: String = "-") {
        self.label = label
        self.unit = unit
        self.absence = absence
    }

    mutating func add(_ value: Double, _ module: Module) {
        if module.isEarlier {
            earlier.append(value)
        } else if module.isOurs {
            ours.append(value)
        } else {
            stock.append(value)
        }
    }

    mutating func add(_ value: Double, _ way: Way) {
        switch way {
        case .stock: stock.append(value)
        case .blocking: ours.append(value)
        case .asynchronous, .inWorkers: asynchronous.append(value)
        }
    }

    /// Ours by stock's; the asynchronous one's where there is one.
    var ratio: String {
        guard let a = stock.median, let b = (asynchronous.isEmpty ? ours : asynchronous).median, a > 0 else {
            return "-"
        }
        return String(format: b / a < 0.1 ? "%.3f" : "%.2f", b / a)
    }
}

extension [Double] {
    /// The middle value, or the mean of the two.
    var median: Double? {
        guard !isEmpty else { return nil }
        let sorted = sorted()
        return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2
    }

    /// The median, and in parentheses the smallest and the biggest.
    func text(absence: String) -> String {
        guard let median, let low = self.min(), let high = self.max() else { return absence }
        return count == 1 ? number(median) : "\(number(median)) (\(number(low))..\(number(high)))"
    }
}

/// A number with about three digits that mean something.
private func number(_ value: Double) -> String {
    if value == value.rounded(), abs(value) < 1e6 { return String(Int(value)) }
    return String(format: abs(value) >= 100 ? "%.0f" : abs(value) >= 10 ? "%.1f" : "%.2f", value)
}

extension String {
    /// Filled with blanks up to `width`, on the left of numbers.
    func padding(_ width: Int, onLeft: Bool = false) -> String {
        let blanks = String(repeating: " ", count: Swift.max(0, width - count))
        return onLeft ? blanks + self : self + blanks
    }
}

/// Lines of a table under its heads, the first two columns flush left.
enum Table {
    static let widths = [46, 5, 24, 24, 7]
    /// The same with a third column of numbers.
    static let widthsOfThree = [46, 5, 24, 24, 24, 7]

    static func line(_ columns: [String]) -> String {
        let widths = columns.count == Self.widths.count ? Self.widths : widthsOfThree
        return zip(columns, widths).enumerated().map { index, column in
            column.0.padding(column.1, onLeft: index > 1)
        }.joined(separator: "  ")
    }

    static func line(_ row: Row, of figure: Figure, hasEarlier: Bool) -> String {
        var numbers = [row.stock, row.ours]
        if figure.hasAsynchronous { numbers.append(row.asynchronous) }
        if figure.hasEarlier, hasEarlier { numbers.insert(row.earlier, at: 1) }
        return line(["  " + row.label, row.unit] + numbers.map { $0.text(absence: row.absence) } + [row.ratio])
    }
}
