// SPDX-License-Identifier: GPL-2.0-or-later
// The error codes of the control protocol: one table of what each means, and what to do about it.

/// The number behind the `E` of an error reply (control-protocol: Errors).
package struct ErrorCode: Equatable, Sendable {
    package let number: UInt32
    package init(_ number: UInt32) { self.number = number }

    /// `E50`: there is no such session.
    package static let noSession = ErrorCode(50)

    /// Whether another RTPProxy may do better on a new session: out of ports, descriptors or memory, overloaded or
    /// draining, and the internal faults of RTPProxy 1.x.
    package var isWorthAnotherNode: Bool {
        switch group {
        case .inside, .ports, .memory, .overload, .draining: true
        case .command, .address, .session, .function, .other: false
        }
    }

    /// Whether a node of these `capabilities` says by it that it does not know the session: `E50`, and `E8` of those
    /// that are older than the present codes, RTPProxy 1.x and rtpengine, as 20150420 tells.
    package func isUnknownSession(_ capabilities: Capabilities) -> Bool {
        self == .noSession || (number == 8 && !capabilities.contains(.namedFigures))
    }

    /// Whether it says that the address of a stream cannot be served, such as one of a family that RTPProxy has no
    /// address of itself.
    package var isAboutAddress: Bool { group == .address }

    /// What the error is about.
    package var group: ErrorGroup { meaning.group }

    /// What it means, and what to do about it, in words; empty for a code that is not documented.
    package var explanation: StaticString { meaning.text }

    /// The table. The codes up to 26 are RTPProxy's complaints about a command's form, so that what is behind most of
    /// them is something that this RTPProxy does not know.
    private var meaning: (group: ErrorGroup, text: StaticString) {
        switch number {
        case 0: (.command, "it does not know this command")
        case 1: (.command, "the command has too many words or bytes: shorten Call-ID, tags, timeout_socket or its tag")
        case 2: (.command, "it does not know a modifier: look at the flags")
        case 3: (.command, "it does not know a sub-command")
        case 4, 6: (.command, "it does not understand the command")
        case 5: (.command, "it does not understand a word of the command")
        case 7: (.inside, "an internal fault, or no memory")
        case 8: (.inside, "it has no such session, or no ports left, or does not know the command")
        case 9, 10: (.inside, "an internal fault, or no ports left")
        case 11:
            (.command, "bridging needs two addresses: start RTPProxy with -l INSIDE/OUTSIDE, or leave i, e and x out")
        case 12, 15...19: (.command, "it does not understand a modifier: look at the flags")
        case 13: (.command, "it does not take the packet time: look at flag z")
        case 14: (.command, "it does not take the list of codecs")
        case 25, 26: (.command, "its reply would be too long")
        case 31...34: (.command, "it does not take an argument of the command")
        case 35: (.command, "it does not take a modifier or the codecs: look at the flags")
        case 36, 37:
            (
                .address,
                "it cannot use the address of the media: start RTPProxy with an address of that family too (-l, -6)"
            )
        case 50:
            (.session, "it has no such session: the media has timed out, it was restarted, or the call is elsewhere")
        case 60: (.function, "it cannot play the prompt: look whether the file is there, with its codec's ending")
        case 62, 68: (.function, "it does not know this statistic")
        case 65: (.function, "it cannot copy the stream")
        case 75: (.function, "notification of timeouts is off: start RTPProxy with -n and the value of timeout_socket")
        case 71, 72: (.ports, "no ports or descriptors are left: give RTPProxy more with -m, -M and ulimit -n")
        case 81...89: (.memory, "it has no memory left")
        case 98: (.overload, "it has too much to do: add another RTPProxy")
        case 99: (.draining, "it takes no new sessions, as it is being shut down")
        default: (.other, "")
        }
    }
}

/// Groups of error replies (control-protocol: Errors).
package enum ErrorGroup: Sendable {
    /// The command was not understood, or its reply would be too long.
    case command
    /// The address of a stream cannot be served.
    case address
    /// Faults inside RTPProxy 1.x.
    case inside
    /// There is no such session.
    case session
    /// Playing, statistics, copying or notification did not work.
    case function
    /// No ports or descriptors are left.
    case ports
    /// No memory is left.
    case memory
    /// It has too much to do.
    case overload
    /// It takes no new sessions.
    case draining
    /// A code that is not documented.
    case other
}
