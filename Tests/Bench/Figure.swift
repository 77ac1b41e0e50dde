// SPDX-License-Identifier: GPL-2.0-or-later
// The figures by name.

/// Something that is measured.
struct Figure: Sendable {
    let name: String
    let title: String
    /// Whether everything runs on one core. Where the scheduler chooses, waking a process on another, idle core can cost
    /// the waker as much as the rest of a call, or not, for minutes.
    var isOnOneCore = false
    /// Whether our asynchronous functions have a column.
    var hasAsynchronous = false
    /// Whether it is measured only where it is asked for: it needs a program that not everyone has.
    var isOnlyByName = false
    /// Whether the earlier build that `AGAINST` names has a column beside stock's.
    var hasEarlier = false
    /// The numbers that the figure depends on, as text.
    let parameters: @Sendable (Session) -> String
    let measure: @Sendable (Session) throws -> [Row]

    /// All of them, in the order of the table.
    static let all = [
        latency, lastFigures, throughput, loss, failover, retry, startUp, startUpCommands, processorTime, manyRelays,
        callTable,
        callsInFlight, silentRelays, waitingMemory, manyCalls, sharing, footprint, instructions,
    ]
}
