// SPDX-License-Identifier: GPL-2.0-or-later
// A call of a function on its way: what was read of the message, what is asked, and how that stands.

import Bytes
import ControlProtocol
import SDP
import SharedState

/// What a call wants of an RTPProxy.
enum CallCommand {
    /// Ports for the streams of the call's description.
    case media(MediaCommand)
    /// One command.
    case simple(SimpleCommand, SessionWords)
    /// Figures of some streams.
    case figures(FigureQuery)

    /// Whether a success creates a session.
    var createsSession: Bool {
        if case .media(let media) = self { return media.createsSession }
        return false
    }

    /// Whether it deletes a session.
    var isDelete: Bool {
        if case .simple(let kind, _) = self { return kind.isDelete }
        return false
    }

    /// The session that it deletes, once or with the figures of its streams; nil: none.
    var deleted: SessionWords? {
        switch self {
        case .simple(.delete, let words): words
        case .figures(let query) where query.last != nil: query.words
        default: nil
        }
    }
}

/// The exchange that carries the commands to a node.
struct CallExchange {
    /// The node that it is with.
    let node: Int
    /// The member of the worker's exchange group.
    let member: Int
    /// Room that its commands take at the node.
    let room: CommandRoom?
}

/// One call. Its memory is used again for the next one.
///
/// A function on a call's way takes it `inout`, also where it only reads it: of one that is lent, the compiler of 6.3
/// makes a copy, of more than a thousand bytes.
struct Call: ~Copyable {
    // What was read of the message.
    var identity = CallIdentity()
    /// The letters of the flags for the wire.
    var flagModifiers = Scratch<UInt8>()
    /// `socket tag`, where RTPProxy is to say that media have stopped.
    var notification: [UInt8] = []
    /// The name of a prompt.
    var prompt: [UInt8] = []
    var description: SessionDescription
    /// The source, the address on which the host has received the message, and the ip_address parameter.
    var addresses = CallAddresses()

    /// What each stream needs besides a port; none where no flag asks for WebRTC.
    var securities = Scratch<StreamSecurity>()
    /// Whether a relay is told or asked anything of them.
    var isBridged = false

    /// Whether a deletion keeps the figures.
    var keepsFigures = false
    /// Where ICE ends before what is to be deleted is; of a command that deletes nothing, nowhere.
    var legs = SessionLegs()

    // What is asked, and how that stands.
    var command = CallCommand.simple(.delete, SessionWords())
    var run = CommandRun(RunTerms(setID: 0, budget: 0))
    /// By the places of the run's asked nodes.
    var exchanges: InlineArray<8, CallExchange?> = .init(repeating: nil)
    /// How many commands it waits with for room; 0: it does not.
    var roomCommands = 0
    /// Room that it has been given.
    var room: CommandRoom?
    /// Connections of an exchange that has just ended, for what is to be undone.
    var held: CommandRoom?
    /// The edits that the host is making; nil: it makes none.
    var editing: Editing?

    /// Edits that the host makes.
    struct Editing {
        /// The node whose answers they are made of; nil: no node was asked.
        let node: AskedNode?
        let member: Int
        /// Whether it could.
        var isDone = false
    }

    // What it has got.
    /// The answer to a single command.
    var reply: [UInt8] = []
    var figures = CallFigures()

    init(streamLimit: Int) { description = SessionDescription(streamLimit: streamLimit) }

    /// Room for an ordinary call, so that memory grows for extraordinary ones only.
    mutating func reserve() {
        identity.reserve()
        flagModifiers.reserveCapacity(64)
        notification.reserveCapacity(512)
        prompt.reserveCapacity(256)
        reply.reserveCapacity(256)
        addresses.reserve()
    }
}

/// The addresses that a call's commands and edits may need, checked and copied once.
struct CallAddresses {
    /// What the ranges are of.
    private(set) var text = Scratch<UInt8>()
    /// Where the message came from.
    private(set) var source = ByteRange.empty
    /// Where the host has received it.
    private(set) var received = ByteRange.empty
    /// What of the ip_address parameter is the new address; empty: it is not given.
    private(set) var parameter = ByteRange.empty

    mutating func reserve() { text.reserveCapacity(256) }

    mutating func read<Host: CallHost>(_ host: Host, parameter bytes: Span<UInt8>, _ inside: ByteRange) {
        text.clear()
        if !inside.isEmpty { text.append(bytes, inside) }
        parameter = ByteRange(from: 0, to: text.count)
        host.with(.source) { text.append($0) }
        source = ByteRange(from: parameter.end, to: text.count)
        host.with(.received) { text.append($0) }
        received = ByteRange(from: source.end, to: text.count)
    }
}

/// A call in memory of its own, so that many can be kept.
final class KeptCall {
    var call: Call

    init(streamLimit: Int) { call = Call(streamLimit: streamLimit) }
}
