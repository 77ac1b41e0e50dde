// SPDX-License-Identifier: GPL-2.0-or-later
// What an RTPProxy can do, as it says itself when asked with VF.

package import Bytes

/// Capabilities of one RTPProxy (control-protocol: Capabilities). The raw value fits one word of shared memory.
package struct Capabilities: OptionSet, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// 20040107, answered by `V`: the base protocol. Required.
    package static let base = Capabilities(rawValue: 1 << 0)
    /// 20050322: several media streams per call. Required.
    package static let multipleStreams = Capabilities(rawValue: 1 << 1)
    /// 20071116: modifier `Z`.
    package static let repacketization = Capabilities(rawValue: 1 << 2)
    /// 20081102: modifier `c`, and `session` as the codec of `P`; prompts need it.
    package static let codecLists = Capabilities(rawValue: 1 << 3)
    /// 20080403: `Q`.
    package static let statistics = Capabilities(rawValue: 1 << 4)
    /// 20150420: `Qv`, and figures by name.
    package static let namedFigures = Capabilities(rawValue: 1 << 5)
    /// 20230205: `rtpa_nlost`.
    package static let lostPackets = Capabilities(rawValue: 1 << 6)
    /// 20230424: `rtpa_jlast`, `rtpa_jmax` and `rtpa_javg`.
    package static let jitter = Capabilities(rawValue: 1 << 7)
    /// 20060704: an argument of `V`. Every RTPProxy that has it has 20071116 as well.
    package static let versionArgument = Capabilities(rawValue: 1 << 8)
    /// 20071218: `C`, which writes a stream to a file or an address. No date stands for `R` itself. Every RTPProxy since
    /// 1.1 announces this one, and rtpengine's legacy port, which has neither `C` nor `R`, does not: recording needs it.
    package static let copying = Capabilities(rawValue: 1 << 9)
    /// 20081224: the words of a `U` that name a socket and a tag for the notice of a timeout.
    package static let notices = Capabilities(rawValue: 1 << 10)

    /// 20141004: `G`, which answers the counters of the whole RTPProxy.
    package static let serverCounters = Capabilities(rawValue: 1 << 11)

    /// 20191015: ` && ` and what it joins. To one without, the words behind it are tags.
    package static let subCommands = Capabilities(rawValue: 1 << 12)
    /// The module that ends DTLS-SRTP; there is no date for it (`ModuleProbe`).
    package static let dtls = Capabilities(rawValue: 1 << 13)
    /// The module that answers ICE.
    package static let ice = Capabilities(rawValue: 1 << 14)
    /// It has been asked for its modules.
    package static let modulesKnown = Capabilities(rawValue: 1 << 15)

    /// 20230314: `D` behind a `Q`, which deletes what the figures are of.
    package static let figuresAndDelete = Capabilities(rawValue: 1 << 16)

    /// What a call with a browser on one side needs.
    package static let webRTC: Capabilities = [.subCommands, .dtls, .ice]

    /// Whether each media stream of a call is a session of its own. Where it is not, `;N` means the whole call: so it
    /// is with the legacy port of rtpengine, which is known by what it says of 20060704 and 20071116.
    package var servesSeveralStreams: Bool { contains(.repacketization) || !contains(.versionArgument) }

    /// What is taken for granted of a relay that has not been asked yet.
    package static let usual: Capabilities = [.statistics, .copying, .notices]

    /// Without these an RTPProxy is not used.
    package static let required: Capabilities = [.base, .multipleStreams]
}

/// The questions of one probe, in the order they are sent.
package enum Probe {
    /// How many there are.
    package static let count = 14
    /// How many are asked where the script reads no figures of a call's media: the first ones. 20150420 is among them:
    /// it tells which meaning `E8` has (`ErrorCode.isUnknownSession`); 20141004 lets a restart be noticed.
    package static let basicCount = 12

    /// The capability that an affirmative answer at `position` (1 ..< `count`) stands for, and its date.
    @_optimize(size)
    private static func subject(_ position: Int) -> (date: StaticString, capability: Capabilities) {
        switch position {
        case 1: ("20050322", .multipleStreams)
        case 2: ("20060704", .versionArgument)
        case 3: ("20071116", .repacketization)
        case 4: ("20071218", .copying)
        case 5: ("20080403", .statistics)
        case 6: ("20081224", .notices)
        case 7: ("20081102", .codecLists)
        case 8: ("20150420", .namedFigures)
        case 9: ("20141004", .serverCounters)
        case 10: ("20191015", .subCommands)
        case 11: ("20230314", .figuresAndDelete)
        case 12: ("20230205", .lostPackets)
        default: ("20230424", .jitter)
        }
    }

    /// Writes the question at `position` (0 ..< `count`).
    package static func write(_ position: Int, into text: inout [UInt8]) {
        text.append("V")
        guard position > 0 else { return }
        text.append("F ")
        text.append(subject(position).date)
    }

    /// What a `reply` to the question at `position` tells: a capability, nothing, or nil where the reply is no protocol.
    @_optimize(size)
    package static func capability(_ position: Int, _ bytes: Span<UInt8>, _ reply: ByteRange) -> Capabilities? {
        var fields = FieldCursor(in: reply)
        guard let word = fields.next(in: bytes) else { return nil }
        if position == 0 {
            return bytes.equals(word, "20040107") ? .base : nil
        }
        if bytes.equals(word, "1") { return subject(position).capability }
        let isRefusal = bytes.equals(word, "0") || bytes.byte(at: word.start) == UInt8(ascii: "E")
        return isRefusal ? [] : nil
    }
}

/// The questions for modules, of an RTPProxy that takes sub-commands. They are about a session that there is not, so
/// that nothing is created.
package enum ModuleProbe {
    /// How many there are.
    package static let count = 2

    /// Writes the question at `position` (0 ..< `count`).
    package static func write(_ position: Int, into text: inout [UInt8]) {
        text.append("L nosuch 127.0.0.1 9 ft tt")
        var joined = JoinedCommand()
        // No word of it comes from anywhere else.
        try? joined.append(position == 0 ? .dtlsSelf : .iceSelf, Span(), to: &text)
    }

    /// What a `reply` to it tells: an unknown module is an `E3`, and with one that is known there is no session.
    package static func capability(_ position: Int, _ bytes: Span<UInt8>, _ reply: ByteRange) -> Capabilities {
        guard MediaReply.parse(bytes, reply) == .noSession else { return [] }
        return position == 0 ? .dtls : .ice
    }
}

/// What an RTPProxy has counted since it was started: the numbers fall when it is started again.
package struct RelayCounters: Equatable, Sendable {
    /// Sessions that it has created.
    package let sessions: UInt32
    /// Commands that it has received.
    package let commands: UInt32

    package init(sessions: UInt32, commands: UInt32) {
        self.sessions = sessions
        self.commands = commands
    }

    /// Reads the answer to the question that `write` writes; nil where it is something else, or beyond 32 bits.
    package init?(_ bytes: Span<UInt8>, _ reply: ByteRange) {
        var fields = FieldCursor(in: reply)
        guard let first = fields.next(in: bytes), let second = fields.next(in: bytes), fields.next(in: bytes) == nil,
            let sessions = Decimal.parse(bytes, first, maximum: .max),
            let commands = Decimal.parse(bytes, second, maximum: .max)
        else { return nil }
        self.init(sessions: sessions, commands: commands)
    }

    /// Writes the command that asks for them (control-protocol: G; names as rtp.io 1.1.1 knows them).
    package static func write(into text: inout [UInt8]) { text.append("G nsess_created ncmds_rcvd") }

    /// Whether RTPProxy was started again between `earlier` and this.
    package func showsRestart(since earlier: RelayCounters) -> Bool {
        sessions < earlier.sessions || commands < earlier.commands
    }
}
