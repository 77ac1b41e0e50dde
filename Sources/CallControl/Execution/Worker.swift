// SPDX-License-Identifier: GPL-2.0-or-later
// One process's view of the module: its settings, the shared tables, its sockets, and memory that calls reuse.

import Bytes
import ControlProtocol
import SDP
package import SharedState
import Transport

/// What a process does its calls with. Nothing is allocated once the memory has grown to size.
///
/// Functions on a call's way that are not inlined are mutating, also where they change nothing: for one that is not, the
/// compiler of 6.3 copies the worker, of some 800 bytes.
package struct Worker: ~Copyable {
    private(set) var settings: Settings
    let table: NodeTable
    /// Which node holds a call; nil where that is not remembered.
    let calls: CallTable?
    /// What is remembered of legs that are WebRTC; nil: nothing is.
    let legs: CallTable?
    /// Streams of browsers that are to be looked at; nil: none is.
    let watched: WatchedStreams?
    /// What calls are shared with other hosts by; nil: they are not.
    let fleet: FleetState?
    /// Whether an offer asks the next node, too, where one is slow.
    private(set) var hedges: Bool
    var directory: NodeDirectory
    /// What this process has open to the nodes.
    var exchanges: ExchangeGroup
    /// Members of the group that are not in use.
    var freeMembers: [Int]
    /// Calls that wait for room at a node; nil where only one call at a time is under way.
    var roomQueues: RoomQueues?
    var cookies = CookieSource()
    /// What this process probes with on demand, made when that is first asked for.
    var probes: ProbeExchanges?
    /// The call of a function that waits for its answer, and one for a deletion that another message has left behind.
    let blocking: KeptCall
    let leftBehind: KeptCall

    // Memory for what is written and read at once.
    var command = Scratch<UInt8>()
    var modifiers = Scratch<UInt8>()
    var line: [UInt8] = []
    var answer = MediaAnswer()
    var outbox = Outbox()
    var jobDraft = JobDraft()
    /// Of messages of other hosts: the nodes by name, and what is answered.
    var fleetNodes = Scratch<Int>()
    var fleetPage = Scratch<UInt8>()
    /// Flags that are not as they were given: of an engaged dialog for what comes from the callee, and those whose `g` has
    /// been decided on for another process.
    var flagLetters: [UInt8] = []
    /// The URL of the node that has the call of such a dialog, while a message of it is served; empty: nobody knows.
    var engagedNode: [UInt8] = []
    /// Whether the log wants each command and answer, as of when this process last looked.
    var isDebugging = false
    /// Seconds since start, as of when this process last looked.
    var ticks: UInt32 = 0

    // What holds beyond one call.
    var selection: SetSelection?
    /// Figures of the message that asked last.
    var fetched: FetchedFigures?
    /// Whether this process has logged that a prompt is silent before the answer.
    var hasToldOfSilentPrompts = false
    /// When the log may tell again that a refusal was to wait, in seconds since start.
    var nextRefusalLine: UInt32 = 0
    /// When it may tell again of a browser without a candidate, in seconds since start.
    var nextCandidateLine: UInt32 = 0
    /// Until when no RTPProxy is asked about browsers, because one has not answered; in seconds since start.
    var nextBrowserLook: UInt32 = 0

    /// Attaches a process to the table. Opens nothing.
    package init(
        settings: Settings, table: consuming NodeTable, calls: consuming CallTable? = nil,
        legs: consuming CallTable? = nil, watched: WatchedStreams? = nil
    ) {
        self.init(
            settings: settings, table: table, calls: calls, legs: legs, watched: watched, members: AskedNodes.count)
    }

    /// `members`: exchanges that may be under way at once. A call needs one at a time, or a few where a node is slow.
    @_optimize(size) @inline(never)
    init(
        settings: Settings, table: consuming NodeTable, calls: consuming CallTable?, legs: consuming CallTable?,
        watched: WatchedStreams? = nil, members: Int
    ) {
        self.settings = settings
        self.watched = watched
        switch calls {
        case .some(let table): (hedges, fleet) = (settings.isHedging, table.fleet)
        case nil: (hedges, fleet) = (false, nil)
        }
        self.calls = calls
        self.legs = legs
        directory = NodeDirectory(table)
        exchanges = ExchangeGroup(
            members: members, nodes: table.capacity, reserves: members <= AskedNodes.count)
        // NO TRAP: 4, or AsyncProcess's, which is above 64.
        freeMembers = Array((0..<members).reversed())
        self.table = table
        blocking = KeptCall(streamLimit: settings.maximumStreams)
        leftBehind = KeptCall(streamLimit: settings.maximumStreams)
        blocking.call.reserve()
        command.reserveCapacity(2048)
        modifiers.reserveCapacity(512)
        line.reserveCapacity(1024)
        answer.reserve()
        outbox.reserve()
    }

    /// Looks whether something that can be changed while the server runs has changed.
    mutating func look<Host: ServerHost>(_ host: Host) {
        isDebugging = host.wantsDebug
        guard let tuning = host.news else { return }
        settings.tuning = tuning
        switch calls {
        case .some: hedges = settings.isHedging
        case nil: hedges = false
        }
    }

    /// What a call wants, as a run that has asked nobody yet.
    mutating func begin<Host: ServerHost>(
        _ call: inout Call, _ host: Host, _ command: CallCommand, setID: UInt32
    ) {
        look(host)
        var terms = RunTerms(setID: setID, budget: settings.budgetNanoseconds)
        terms.createsSession = command.createsSession
        terms.isHedged = terms.createsSession && hedges
        terms.isDelete = command.isDelete
        call.command = command
        if case .media(let media) = command {
            terms.endsRefused = media.isFirstAnswer
        } else {
            // What is remembered of the legs is looked for, by a process that may not have looked at the time before.
            ticks = host.ticks
            beginWithoutMedia(&call)
        }
        call.run = CommandRun(terms)
        call.roomCommands = 0
    }
}
