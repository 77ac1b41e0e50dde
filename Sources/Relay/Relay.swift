// SPDX-License-Identifier: GPL-2.0-or-later
// One process's view of the module: its settings, the shared table, its sockets, and memory that calls reuse.

import Bytes
import ControlProtocol
import SDP
public import SharedState
import Transport

/// What a process does its calls with. One call at a time; nothing is allocated once the memory has grown to size.
public struct Relay: ~Copyable {
    let settings: Settings
    let table: NodeTable
    /// Which node holds a call; nil where that is not remembered.
    let calls: CallTable?
    /// Whether an offer asks the next node, too, where one is slow.
    let hedges: Bool
    var directory: NodeDirectory
    /// What this process has open to the nodes.
    var exchanges: ExchangeGroup
    /// Who waits for room at a node; nil where only one call at a time is under way.
    var roomLines: RoomLines?
    /// Members of the group that nobody uses.
    var freeMembers: [Int]
    var cookies = CookieSource()
    /// What this process probes with on demand, made when that is first asked for.
    var inquiry: Inquiry?
    /// Whether this process has logged that a prompt is silent before the answer.
    var hasToldOfSilentPrompts = false

    // Memory of the call under way.
    var identity = CallIdentity()
    var flagModifiers: [UInt8] = []
    var modifiers: [UInt8] = []
    var notification: [UInt8] = []
    var command: [UInt8] = []
    var prompt: [UInt8] = []
    var addresses: [UInt8] = []
    /// What becomes of each stream of the description, and why a relay's answer has it refused.
    var verdicts: [StreamVerdict] = []
    var refusals: [StreamRefusal] = []
    var description: SessionDescription
    var edits = EditList()
    /// The node whose answer a log line is about.
    var lastAsked: Int?
    var line: [UInt8] = []
    var jobDraft = JobDraft()
    /// When the log may tell again that a refusal was to wait, in seconds since start.
    var nextRefusalLine: UInt32 = 0
    var selection: SetSelection?
    /// Figures on their way, and those of the message that asked last.
    var gathered = CallFigures()
    var fetched: FetchedFigures?

    /// Attaches a process to the table. Opens nothing.
    public init(settings: Settings, table: consuming NodeTable, calls: consuming CallTable? = nil) {
        self.init(settings: settings, table: table, calls: calls, members: AskedNodes.count)
    }

    /// `members`: exchanges that may be under way at once. A call needs one at a time, or a few where a node is slow.
    init(settings: Settings, table: consuming NodeTable, calls: consuming CallTable?, members: Int) {
        self.settings = settings
        switch calls {
        case .some: hedges = settings.isHedging
        case nil: hedges = false
        }
        self.calls = calls
        directory = NodeDirectory(table)
        exchanges = ExchangeGroup(
            members: members, nodes: table.capacity, reserves: members <= AskedNodes.count)
        freeMembers = Array((0..<members).reversed())
        description = SessionDescription(streamLimit: settings.maximumStreams)
        self.table = table
        reserve()
    }

    /// Room for an ordinary call, so that memory grows for extraordinary ones only.
    private mutating func reserve() {
        identity.reserve()
        flagModifiers.reserveCapacity(64)
        modifiers.reserveCapacity(512)
        notification.reserveCapacity(512)
        command.reserveCapacity(2048)
        prompt.reserveCapacity(256)
        addresses.reserveCapacity(1024)
        verdicts.reserveCapacity(32)
        refusals.reserveCapacity(32)
        line.reserveCapacity(1024)
    }
}

/// The set that `set_rtp_proxy_set` chose, and the message it holds for.
struct SetSelection {
    let message: UInt32
    let process: Int32
    let setID: UInt32
}

extension Relay {
    /// Chooses the set for the rest of the processing of this message. An unknown one leaves set 0.
    public mutating func selectSet<Host: CallHost>(_ host: Host, id: Int64) -> ReturnCode {
        selection = nil
        refreshDirectory()
        guard let setID = UInt32(exactly: id), directory.position(ofSet: setID) != nil else {
            return finish(host, .unknownSet(id), isMedia: false)
        }
        selection = SetSelection(message: host.facts.id, process: host.facts.process, setID: setID)
        return .done
    }

    /// The same, the number as text.
    public mutating func selectSet<Host: CallHost>(_ host: Host, text: Span<UInt8>) -> ReturnCode {
        guard let number = Decimal.parse(text, text.trimmed(text.all), maximum: .max) else {
            selection = nil
            return finish(host, .badSet, isMedia: false)
        }
        return selectSet(host, id: Int64(number))
    }

    /// The set that was chosen for a message holds where its transaction goes on, too, in whichever process that is.
    public mutating func keepSet<Host: CallHost>(_ host: Host, of record: JobRecord) {
        selection = SetSelection(
            message: host.facts.id, process: host.facts.process, setID: record.header.setID)
    }

    /// The set that a call on this message uses.
    func selectedSetID<Host: CallHost>(_ host: Host) -> UInt32 {
        guard let selection, selection.message == host.facts.id, selection.process == host.facts.process else {
            return 0
        }
        return selection.setID
    }

    /// Writes the one log line of a function that failed, and says what the script gets.
    mutating func finish<Host: CallHost>(_ host: Host, _ failure: CallFailure, isMedia: Bool) -> ReturnCode {
        if let counter = failure.counter { host.count(counter) }
        if failure.isLogged {
            line.removeAll(keepingCapacity: true)
            line.append("call ")
            let start = line.count
            host.with(.callID) { line.append(printable: $0, $0.all) }
            let callID = ByteRange(from: start, to: line.count)
            line.append(": ")
            let node = failure.isAboutANode ? lastAsked : nil
            if node != nil { appendLastNode() }
            failure.describe(into: &line)
            reportCall(host, failure, callID, node)
        }
        let code = failure.returnCode
        return code == .noNode && !isMedia ? .error : code
    }

    /// Reports the line that has been gathered, in which the Call-ID stands at `range`. `node`: whom it is about.
    private func reportCall<Host: CallHost>(
        _ host: Host, _ failure: CallFailure, _ range: ByteRange, _ node: Int?
    ) {
        let text = line
        let inside = text.span.clamped(range)
        // SAFETY: `inside` lies within `text`, as clamped(_:) upholds.
        let callID = unsafe text.span.extracting(unchecked: inside.start..<inside.end)
        guard let node else {
            let kind: ReportKind = failure.isNoNode ? .noNode : .callRefused
            return host.report(
                kind, failure.isWarning ? .warning : .error, text.span, url: Span(), setID: failure.setID, state: "",
                callID: callID, file: #fileID)
        }
        table.withURL(node) {
            host.report(
                .callRefused, .error, text.span, url: $0, setID: table.setID(node), state: standing(node).text,
                callID: callID, file: #fileID)
        }
    }

    /// Warns that the node tried last does not do all that was asked for in this call.
    mutating func warn<Host: CallHost>(_ host: Host, _ what: StaticString) {
        beginWarning(host)
        line.append(what)
        host.log(.warning, line.span)
    }

    /// Begins a line about the call and the node tried last.
    mutating func beginWarning<Host: CallHost>(_ host: Host) {
        beginLine(host)
        appendLastNode()
    }

    /// Begins a line about the call.
    mutating func beginLine<Host: CallHost>(_ host: Host) {
        line.removeAll(keepingCapacity: true)
        line.append("call ")
        host.with(.callID) { line.append(printable: $0, $0.all) }
        line.append(": ")
    }

    private mutating func appendLastNode() {
        guard let node = lastAsked else { return }
        line.append("RTPProxy ")
        table.withURL(node) { line.append(printable: $0, $0.all, limit: 255) }
        line.append(" ")
    }
}
