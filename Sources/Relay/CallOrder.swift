// SPDX-License-Identifier: GPL-2.0-or-later
// The order of a call's commands in an asynchronous process: a line for each Call-ID, whose first job is under way.

/// The lines of all Call-IDs. A job is a number, and stands in one line; a line is known by a hash of its Call-ID. Two
/// Call-IDs of the same hash wait for each other, which does no harm. Each step takes the same time however many wait.
struct CallOrder {
    private struct Place {
        var line: UInt64 = 0
        /// The jobs beside it, -1: none.
        var before = -1
        var behind = -1
    }

    private struct Ends {
        var first: Int
        var last: Int
    }

    /// By number.
    private var places: [Place] = []
    private var lines: [UInt64: Ends] = [:]

    /// How many lines there are.
    var count: Int { lines.count }

    /// Whether nobody stands before a job.
    func isFirst(_ number: Int) -> Bool { places.indices.contains(number) && places[number].before < 0 }

    /// Puts a job that stands in no line at the end of one; whether it is the first there.
    mutating func append(_ number: Int, _ line: UInt64) -> Bool {
        insert(number, line, behind: lines[line]?.last)
    }

    /// Puts a job that stands in no line behind the first one, before all that wait; whether it is the first itself.
    mutating func appendBehindFirst(_ number: Int, _ line: UInt64) -> Bool {
        insert(number, line, behind: lines[line]?.first)
    }

    private mutating func insert(_ number: Int, _ line: UInt64, behind previous: Int?) -> Bool {
        while places.count <= number { places.append(Place()) }
        guard let previous, var ends = lines[line], places.indices.contains(previous) else {
            places[number] = Place(line: line)
            lines[line] = Ends(first: number, last: number)
            return true
        }
        let next = places[previous].behind
        places[number] = Place(line: line, before: previous, behind: next)
        places[previous].behind = number
        if places.indices.contains(next) { places[next].before = number }
        if ends.last == previous { ends.last = number }
        lines[line] = ends
        return false
    }

    /// Takes a job out of its line; the one that is the first by that, nil where there is none.
    mutating func remove(_ number: Int) -> Int? {
        guard places.indices.contains(number), var ends = lines[places[number].line] else { return nil }
        let place = places[number]
        places[number] = Place()
        if places.indices.contains(place.before) { places[place.before].behind = place.behind }
        if places.indices.contains(place.behind) { places[place.behind].before = place.before }
        if place.before < 0, place.behind < 0 {
            lines[place.line] = nil
            return nil
        }
        if place.behind < 0 { ends.last = place.before }
        if place.before < 0 { ends.first = place.behind }
        lines[place.line] = ends
        return place.before < 0 ? place.behind : nil
    }
}
