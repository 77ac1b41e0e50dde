// SPDX-License-Identifier: GPL-2.0-or-later
// Where an exchange stands, what arrives, and what it refuses.

/// How commands are told apart on the wire.
package enum Framing: Sendable {
    /// `COOKIE SP command` in a datagram of its own, sent again until it is answered.
    case datagram
    /// `command LF` on a connection of its own, sent once.
    case stream
    /// `command LF`, one behind the other on a connection that stays; replies come in the same order.
    case pipeline
}

/// How an exchange with a node ended.
package enum ExchangeOutcome: Equatable, Sendable {
    /// Every command has its reply.
    case complete
    /// The budget is over.
    case timedOut
    /// Nothing listens there, and nothing of this exchange was answered.
    case refused
    /// The system says no; `SystemError.isLocal` tells whose fault it is.
    case failed(SystemError)
    /// A reply that is none: empty, or longer than 1024 bytes.
    case malformed

    /// What an error of a socket comes to.
    init(_ error: SystemError) { self = error == .refused ? .refused : .failed(error) }

    /// The outcome of an exchange that is over; nil while it runs.
    init?(_ phase: ExchangePhase) {
        switch phase {
        case .running: return nil
        case .complete: self = .complete
        case .expired: self = .timedOut
        case .malformed: self = .malformed
        }
    }
}

/// Where an exchange stands.
package enum ExchangePhase: Equatable, Sendable {
    /// Commands are unanswered and there is time.
    case running
    /// Every command has its reply.
    case complete
    /// The budget is over and a command has no reply.
    case expired
    /// A command was answered with what cannot be a reply: empty, or longer than 1024 bytes.
    case malformed
}

/// What a datagram was.
package enum Arrival: Equatable, Sendable {
    /// The reply to this command.
    case matched(Int)
    /// A second reply to this command; the first one stays.
    case duplicate(Int)
    /// The cookie of this command, and what cannot be a reply.
    case malformed(Int)
    /// None of this exchange's cookies, or the exchange is over.
    case foreign
}

/// Why a command was not added.
package enum ExchangeError: Error, Equatable, Sendable {
    /// More than 256 commands.
    case tooMany
    /// Longer than 8191 bytes (control-protocol: Sizes).
    case tooLong
    /// Empty, or with a CR, LF or NUL, which would make it another command.
    case unfit
    /// The kernel gives no random bytes.
    case noCookie

    /// A few words for a log line.
    package var text: StaticString {
        switch self {
        case .tooMany: "more than 256 commands at once"
        case .tooLong: "command longer than 8191 bytes"
        case .unfit: "command is empty or has a line end or NUL in it"
        case .noCookie: "no random bytes for a cookie"
        }
    }
}
