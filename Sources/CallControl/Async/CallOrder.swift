// SPDX-License-Identifier: GPL-2.0-or-later
// The order of a call's commands in an asynchronous process: a queue for each Call-ID, whose first job is under way.
//
// NO TRAP (6 in this file): a key of a dictionary.

/// The queues of all Call-IDs. A job is a number, and waits in one queue; a queue is known by a hash of its Call-ID. Two
/// Call-IDs of the same hash wait for each other, which does no harm. Each step takes the same time however many wait.
struct CallOrder {
    private struct Place {
        var queue: UInt64 = 0
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
    private var queues: [UInt64: Ends] = [:]

    /// How many queues there are.
    var count: Int { queues.count }

    /// Whether nobody stands before a job.
    func isFirst(_ number: Int) -> Bool { places.indices.contains(number) && places[number].before < 0 }

    /// Puts a job that waits in no queue at the end of one; whether it is the first there.
    mutating func append(_ number: Int, _ queue: UInt64) -> Bool {
        insert(number, queue, behind: queues[queue]?.last)
    }

    /// Puts a job that waits in no queue behind the first one, before all that wait; whether it is the first itself.
    mutating func appendBehindFirst(_ number: Int, _ queue: UInt64) -> Bool {
        insert(number, queue, behind: queues[queue]?.first)
    }

    private mutating func insert(_ number: Int, _ queue: UInt64, behind previous: Int?) -> Bool {
        while places.count <= number { places.append(Place()) }
        // NO TRAP: a key of a dictionary, and the indices are looked at.
        guard let previous, var ends = queues[queue], places.indices.contains(previous) else {
            // NO TRAP (2): numbers count from 0, and the places have just grown beyond it.
            places[number] = Place(queue: queue)
            queues[queue] = Ends(first: number, last: number)
            return true
        }
        // NO TRAP (2): the indices contain it, compared in the guard.
        let next = places[previous].behind
        places[number] = Place(queue: queue, before: previous, behind: next)
        places[previous].behind = number
        if places.indices.contains(next) { places[next].before = number }
        if ends.last == previous { ends.last = number }
        queues[queue] = ends
        return false
    }

    /// Takes a job out of its queue; the one that is the first by that, nil where there is none.
    mutating func remove(_ number: Int) -> Int? {
        // NO TRAP (3): the indices contain it, compared first.
        guard places.indices.contains(number), var ends = queues[places[number].queue] else { return nil }
        // NO TRAP (2): the indices contain it, compared in the guard.
        let place = places[number]
        places[number] = Place()
        if places.indices.contains(place.before) { places[place.before].behind = place.behind }
        if places.indices.contains(place.behind) { places[place.behind].before = place.before }
        if place.before < 0, place.behind < 0 {
            queues[place.queue] = nil
            return nil
        }
        if place.behind < 0 { ends.last = place.before }
        if place.before < 0 { ends.first = place.behind }
        queues[place.queue] = ends
        return place.before < 0 ? place.behind : nil
    }
}
