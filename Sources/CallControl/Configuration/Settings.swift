// SPDX-License-Identifier: GPL-2.0-or-later
// The parameters of the configuration, with defaults, ranges and every fault found in them.

import Bytes
package import ControlProtocol
import SDP
package import SharedState
import Transport

/// How a new call's node is chosen.
package enum Balancing: Sendable {
    /// The rule that proxies with other RTPProxy modules share: `CallIDBalancing`.
    case callID
    /// `RendezvousBalancing`.
    case rendezvous
}

/// What the configuration says, gathered before the fork and then only read.
package struct Settings {
    /// Seconds until a node that failed is tried again; negative: never by itself.
    package private(set) var disableSeconds = 60
    /// Milliseconds that one try may take, 1 or more.
    package private(set) var timeoutMilliseconds = 1000
    /// Tries, 1 or more.
    package private(set) var tries = 5
    /// The line that marks a rewritten SDP, without its line end; empty: none.
    package private(set) var marker = [UInt8]("a=nortpproxy:yes".utf8)
    /// Where RTPProxy is to say that media stopped; empty: nowhere.
    package private(set) var timeoutSocket: [UInt8] = []
    /// Figures of a call's media that the script names. Where there are any, nodes are asked which ones they know.
    package var figures = FigureSet.none
    /// Where the module listens for notifications itself; empty: nowhere.
    package private(set) var notifyListen: [UInt8] = []
    /// Media streams that a message may have, 1 or more.
    package private(set) var maximumStreams = 32
    /// Whether the relays find browsers that are not where their candidates say.
    package private(set) var learnsCandidates = false
    /// Seconds after which the streams of browsers are looked at; 0: they are not.
    package private(set) var silenceSeconds = 8
    /// Change `o=` in every SDP, flag `o` or not.
    package private(set) var rewritesOrigin = false
    /// Seconds between two looks at a node that is up; 0: none.
    package private(set) var pingSeconds = 10
    /// Calls whose node is remembered; 0: none.
    package private(set) var callTableSize = 65_536
    /// Seconds for which the table remembers a call after its last offer or answer.
    package private(set) var callLifetime = CallTable.usualLifetime
    /// Whether calls are shared with other hosts, by dmq.
    package private(set) var sharesCalls = false
    /// Asynchronous processes.
    package private(set) var asyncProcesses = 1
    /// Asynchronous calls that one process may have under way, or waiting.
    package private(set) var asyncMaximum = 10_000
    /// Whether routes continue in the host's own workers instead of the asynchronous process.
    package private(set) var continuesInWorkers = false
    /// Whether an offer asks the next node, too, where one is slow, if calls are remembered.
    package private(set) var isHedging = true
    /// How a new call's node is chosen.
    package private(set) var balancing = Balancing.callID
    /// The nodes, those of a set side by side, sets in the order of their first mention.
    package private(set) var nodes: [NodeDefinition] = []

    /// What is wrong, a line each. Of rtpproxy_sock only where the sets do not come from a database.
    // NO TRAP: joins two arrays.
    package var faults: [[UInt8]] { usesDatabase ? otherFaults : socketFaults + otherFaults }
    private var socketFaults: [[UInt8]] = []
    private var otherFaults: [[UInt8]] = []
    /// Warnings: what is odd, and what was done about it.
    package private(set) var warnings: [[UInt8]] = []
    private var usesDatabase = false
    private var hasSockets = false
    private var hasTimeoutSeconds = false
    private var hasTimeoutMilliseconds = false
    /// Where the parameter stands that is being taken, and where rtpproxy_tout_ms did; empty: not known.
    private var place: [UInt8] = []
    private var millisecondsPlace: [UInt8] = []

    package init() {}

    /// The parameters that can be changed while the server runs. Values out of range become the nearest in it.
    package var tuning: Tuning {
        get {
            Tuning(
                timeoutMilliseconds: Int32(clamping: timeoutMilliseconds), tries: Int32(clamping: tries),
                disableSeconds: Int32(clamping: disableSeconds), pingSeconds: Int32(clamping: pingSeconds),
                isHedging: isHedging)
        }
        set {
            timeoutMilliseconds = max(Int(widening: newValue.timeoutMilliseconds), 1)
            tries = max(Int(widening: newValue.tries), 1)
            disableSeconds = Int(widening: newValue.disableSeconds)
            pingSeconds = max(Int(widening: newValue.pingSeconds), 0)
            isHedging = newValue.isHedging
        }
    }

    /// The longest time that one command may take, in nanoseconds: rtpproxy_tout times rtpproxy_retr.
    package var budgetNanoseconds: UInt64 {
        let milliseconds = UInt64(clamping: timeoutMilliseconds).multipliedReportingOverflow(
            by: UInt64(clamping: tries))
        let nanoseconds = milliseconds.partialValue.multipliedReportingOverflow(by: 1_000_000)
        return milliseconds.overflow || nanoseconds.overflow ? UInt64.max / 2 : nanoseconds.partialValue
    }

    /// The longest time until the first retransmission, in nanoseconds: a quarter of rtpproxy_tout.
    var longestFirstWait: UInt64 {
        let (quarter, overflow) = UInt64(clamping: timeoutMilliseconds).multipliedReportingOverflow(by: 250_000)
        return overflow ? UInt64.max / 2 : quarter
    }

    /// Says where the parameters that follow stand, for the faults.
    package mutating func setPlace(_ text: Span<UInt8>) { place = copy(text) }

    /// Takes a parameter that is text. False where there is none of this name.
    @_optimize(size)
    package mutating func set(_ parameter: Span<UInt8>, text value: Span<UInt8>) -> Bool {
        if parameter.equals(parameter.all, "rtpproxy_sock") {
            takeSockets(value)
        } else if parameter.equals(parameter.all, "nortpproxy_str") {
            takeMarker(value)
        } else if parameter.equals(parameter.all, "timeout_socket") {
            if !Command.isWord(value, value.all) {
                fault("timeout_socket", value, value.all, "holds a blank or control character, or is &&")
            }
            timeoutSocket = copy(value)
        } else if parameter.equals(parameter.all, "rtpproxy_notify_listen") {
            takeNotifyListen(value)
        } else if parameter.equals(parameter.all, "rtpproxy_balancing") {
            if value.equals(value.all, "callid") {
                balancing = .callID
            } else if value.equals(value.all, "rendezvous") {
                balancing = .rendezvous
            } else {
                fault("rtpproxy_balancing", value, value.all, "is neither callid nor rendezvous")
            }
        } else if parameter.equals(parameter.all, "rtpproxy_async_continue") {
            continuesInWorkers = value.equals(value.all, "workers")
            if !continuesInWorkers, !value.equals(value.all, "process") {
                fault("rtpproxy_async_continue", value, value.all, "is neither process nor workers")
            }
        } else if parameter.equals(parameter.all, "db_url") {
            if !value.isEmpty { useDatabase() }
        } else {
            return false
        }
        return true
    }

    /// Takes a parameter that is a number. False where there is none of this name.
    @_optimize(size)
    package mutating func set(_ parameter: Span<UInt8>, number value: Int) -> Bool {
        if parameter.equals(parameter.all, "rtpproxy_disable_tout") {
            disableSeconds = value
        } else if parameter.equals(parameter.all, "rtpproxy_tout") {
            // NO TRAP (3): 1 or 0 is below Int.max and below 1,000,000; a closed range is only compared with.
            let milliseconds = inRange("rtpproxy_tout", value, 1...Int.max).multipliedReportingOverflow(by: 1000)
            timeoutMilliseconds = milliseconds.overflow ? Int.max : milliseconds.partialValue
            hasTimeoutSeconds = true
        } else if parameter.equals(parameter.all, "rtpproxy_tout_ms") {
            timeoutMilliseconds = inRange("rtpproxy_tout_ms", value, 1...Int.max)
            hasTimeoutMilliseconds = true
            millisecondsPlace = place
        } else if parameter.equals(parameter.all, "rtpproxy_ping_interval") {
            pingSeconds = inRange("rtpproxy_ping_interval", value, 0...86_400)
        } else if parameter.equals(parameter.all, "rtpproxy_hedging") {
            isHedging = inRange("rtpproxy_hedging", value, 0...1) != 0
        } else if parameter.equals(parameter.all, "rtpproxy_call_table_size") {
            callTableSize = inRange("rtpproxy_call_table_size", value, 0...16_777_216)
        } else if parameter.equals(parameter.all, "rtpproxy_call_lifetime") {
            callLifetime = inRange("rtpproxy_call_lifetime", value, CallTable.lifetimes)
        } else if parameter.equals(parameter.all, "rtpproxy_dmq") {
            sharesCalls = inRange("rtpproxy_dmq", value, 0...1) != 0
        } else if parameter.equals(parameter.all, "rtpproxy_async_processes") {
            asyncProcesses = inRange("rtpproxy_async_processes", value, 0...16)
        } else if parameter.equals(parameter.all, "rtpproxy_async_max") {
            asyncMaximum = inRange("rtpproxy_async_max", value, 1...65_000)
        } else if parameter.equals(parameter.all, "rtpproxy_max_streams") {
            // NO TRAP: 1 is below the constant.
            maximumStreams = inRange("rtpproxy_max_streams", value, 1...SessionDescription.maximumStreams)
        } else if parameter.equals(parameter.all, "rtpproxy_webrtc_prflx") {
            learnsCandidates = inRange("rtpproxy_webrtc_prflx", value, 0...1) != 0
        } else if parameter.equals(parameter.all, "rtpproxy_webrtc_silence") {
            silenceSeconds = inRange("rtpproxy_webrtc_silence", value, 0...3600)
        } else if parameter.equals(parameter.all, "rtpproxy_retr") {
            tries = inRange("rtpproxy_retr", value, 1...Int.max)
        } else if parameter.equals(parameter.all, "rewrite_origin") {
            rewritesOrigin = value != 0
        } else {
            return false
        }
        return true
    }

    /// Takes a row of the database; `nil` is NULL. False, with a warning, where it is left out.
    @_optimize(size)
    package mutating func addRow(
        _ row: Int, setID: Span<UInt8>, url: Span<UInt8>, weight: Int?, flags: Int?
    ) -> Bool {
        let id = Decimal.parse(setID, setID.trimmed(setID.all), maximum: NodeLine.maximumSetID)
        // NO TRAP: 1 or 0 is below Int.max and below 1,000,000; a closed range is only compared with.
        let weightFits = weight.map { 0...Int(NodeLine.maximumWeight) ~= $0 } ?? false
        // Columns of a fixed width are filled up with blanks.
        let place = url.trimmed(url.all)
        let reason: StaticString? =
            if id == nil {
                "setid is NULL or no number"
            } else if place.isEmpty {
                "url is NULL or empty"
            } else if let fault = NodeLine.urlFault(url, place) {
                fault
            } else if !weightFits {
                "weight is NULL or no number of 0..1000000"
            } else if flags == nil {
                "flags is NULL or no number"
            } else {
                nil
            }
        guard reason == nil, let id, let weight, let flags else {
            warnRow(row, url, reason ?? "a value is NULL")
            return false
        }
        var bytes: [UInt8] = []
        bytes.append(url, place)
        append(
            NodeDefinition(
                setID: id, url: bytes, weight: UInt32(clamping: weight), startsDisabled: flags & 1 != 0,
                index: UInt32(clamping: nodes.count)))
        return true
    }

    /// Whether the sets come from a database.
    package var hasDatabase: Bool { usesDatabase }

    /// Whether there is a set of this id.
    package func hasSet(_ id: Int64) -> Bool { nodes.contains { Int64(widening: $0.setID) == id } }

    /// The same settings without nodes, for reading the database again; nil where the sets do not come from one.
    package func emptied() -> Settings? {
        guard usesDatabase else { return nil }
        var copy = self
        copy.nodes.removeAll()
        copy.warnings.removeAll()
        return copy
    }

    /// Nodes to make room for: with a database, those that a reload may bring, too.
    package var nodeCapacity: Int { usesDatabase ? nodes.count &* 2 &+ 64 : nodes.count }

    // MARK: - Parts

    @_optimize(size)
    private mutating func takeSockets(_ value: Span<UInt8>) {
        guard !value.trimmed(value.all).isEmpty else { return }
        hasSockets = true
        guard !usesDatabase else { return }
        // Line breaks separate entries, too: long lists are written with one in a line.
        var text: [UInt8] = []
        // NO TRAP (2): the range is the value's own; start < text.count, compared first.
        for index in 0..<value.count { text.append(value[index] == 0x0A || value[index] == 0x0D ? 0x20 : value[index]) }
        var start = 0
        while start < text.count {
            let rest = text.span.extracting(start..<text.count)
            do throws(NodeLineFault) {
                for entry in try NodeLine.parse(rest, firstIndex: nodes.count) { append(entry) }
                return
            } catch {
                // Entries behind this one may be wrong as well: their faults are reported at once, too.
                socketFaults.append(line("rtpproxy_sock", rest, error.range, error.reason))
                start &+= max(1, error.range.end)
            }
        }
    }

    /// The sets come from the database; what rtpproxy_sock has said before, right or wrong, does not count.
    private mutating func useDatabase() {
        usesDatabase = true
        nodes.removeAll()
    }

    /// Adds a node behind the last one of its set.
    private mutating func append(_ node: NodeDefinition) {
        let last = nodes.lastIndex { $0.setID == node.setID }
        // NO TRAP: last is an index, so that the place behind it is at most the count.
        nodes.insert(node, at: last.map { $0 &+ 1 } ?? nodes.count)
    }

    private mutating func takeMarker(_ value: Span<UInt8>) {
        var end = value.count
        // NO TRAP: 0 < end <= value.count, compared first.
        while end > 0, value[end &- 1] == 0x0D || value[end &- 1] == 0x0A { end &-= 1 }
        let line = ByteRange(start: 0, count: end)
        // NO TRAP: end is at least 3 here.
        if value.firstIndex(of: 0x0A, in: line) != nil || value.firstIndex(of: 0x0D, in: line) != nil {
            fault("nortpproxy_str", value, line, "is more than one line")
        } else if end > 0, end < 3 || value[1] != UInt8(ascii: "=") {
            fault("nortpproxy_str", value, line, "is not an SDP line like a=nortpproxy:yes")
        }
        marker.removeAll()
        marker.append(value, line)
    }

    /// `value`, or the nearest that is allowed and a fault.
    private mutating func inRange(_ parameter: StaticString, _ value: Int, _ range: ClosedRange<Int>) -> Int {
        if range.contains(value) { return value }
        var digits: [UInt8] = []
        digits.append(decimal: value)
        if value < range.lowerBound {
            fault(parameter, digits.span, digits.span.all, "is below ", range.lowerBound)
        } else {
            fault(parameter, digits.span, digits.span.all, "is above ", range.upperBound)
        }
        return min(max(value, range.lowerBound), range.upperBound)
    }

    /// Finds the faults that only show when all parameters are there. To be called last.
    @_optimize(size)
    package mutating func finish() {
        if hasTimeoutSeconds, hasTimeoutMilliseconds {
            var digits: [UInt8] = []
            digits.append(decimal: timeoutMilliseconds)
            place = millisecondsPlace
            fault("rtpproxy_tout_ms", digits.span, digits.span.all, "rtpproxy_tout is given, too: give one of the two")
        }
        if sharesCalls, callTableSize == 0 {
            place = []
            fault(
                "rtpproxy_dmq", [0x31].span, ByteRange(from: 0, to: 1),
                "rtpproxy_call_table_size is 0: nothing to share")
        }
        // Where the module listens, RTPProxies are asked to notify it.
        if timeoutSocket.isEmpty { timeoutSocket = notifyListen }
        if usesDatabase, hasSockets {
            var line: [UInt8] = []
            line.append("parameter rtpproxy_sock: ignored, the sets come from db_url")
            warnings.append(line)
        }
    }

    @_optimize(size)
    private mutating func takeNotifyListen(_ value: Span<UInt8>) {
        notifyListen = []
        guard !value.isEmpty else { return }
        do throws(NodeURLError) {
            let url = try NodeURL(value, value.all)
            let isClear =
                value.firstIndex(of: UInt8(ascii: ":"), in: value.all) != nil
                || value.firstIndex(of: UInt8(ascii: "/"), in: value.all) != nil
            let isAsterisk = value.equals(url.target, "*")
            switch url.scheme {
            case .tcp where isAsterisk, .tcp6 where isAsterisk:
                fault("rtpproxy_notify_listen", value, value.all, "has no address: 0.0.0.0 or [::] is all of this host")
            case .unix where isClear, .tcp, .tcp6: notifyListen = copy(value)
            case .unix, .udp, .udp6, .cunix:
                fault("rtpproxy_notify_listen", value, value.all, "is none of unix:, tcp: and tcp6:")
            }
        } catch {
            fault("rtpproxy_notify_listen", value, value.all, error.text)
        }
    }

    /// `number` stands behind the reason.
    private mutating func fault(
        _ parameter: StaticString, _ text: Span<UInt8>, _ range: ByteRange, _ reason: StaticString,
        _ number: Int? = nil
    ) {
        otherFaults.append(line(parameter, text, range, reason, number))
    }

    private func line(
        _ parameter: StaticString, _ text: Span<UInt8>, _ range: ByteRange, _ reason: StaticString,
        _ number: Int? = nil
    ) -> [UInt8] {
        var line: [UInt8] = []
        line.append("parameter ")
        line.append(parameter)
        line.append(": \"")
        line.append(printable: text, range, limit: 300)
        line.append("\": ")
        line.append(reason)
        if let number { line.append(decimal: number) }
        if !place.isEmpty {
            line.append(" (")
            line.append(printable: place.span, place.span.all, limit: 200)
            line.append(")")
        }
        return line
    }

    private mutating func warnRow(_ row: Int, _ url: Span<UInt8>, _ reason: StaticString) {
        var line: [UInt8] = []
        line.append("db_url: row ")
        line.append(decimal: row)
        line.append(", url \"")
        line.append(printable: url, url.all, limit: 300)
        line.append("\", is left out: ")
        line.append(reason)
        warnings.append(line)
    }

    private func copy(_ bytes: Span<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        result.append(bytes)
        return result
    }
}
