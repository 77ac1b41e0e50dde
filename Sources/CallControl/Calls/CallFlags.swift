// SPDX-License-Identifier: GPL-2.0-or-later
// The flags string of a script function: what each letter asks for, and what goes on the wire.

import Bytes
import ControlProtocol

/// Which Via's branch joins the Call-ID (flags `1`, `2`, `3`).
enum BranchChoice: Equatable {
    case none
    case first
    case second
    /// The first in a request, the second in a reply.
    case byDirection
}

/// What goes out where a browser may be on either side (flags `d`, `p`, `g`).
enum Bridging: Equatable {
    /// `d`: WebRTC, DTLS-SRTP and ICE.
    case toWebRTC
    /// `p`: plain RTP.
    case toPlain
    /// `g`: what the receiver takes, WebRTC where the message goes to a client by WebSocket.
    case byTarget
}

extension Bridging {
    /// Copies flags whose `g` has been decided on: `d` or `p` stands in its place.
    static func decide(_ flags: Span<UInt8>, isToWebRTC: Bool, into letters: inout [UInt8]) {
        for index in flags.indices {
            // NO TRAP: an index of the span's own.
            let letter = flags[index]
            letters.append(
                lowercased(letter) == UInt8(ascii: "g") ? (isToWebRTC ? UInt8(ascii: "d") : UInt8(ascii: "p")) : letter)
        }
    }
}

/// Flags that were read. The letters for the wire stand apart, in the order given.
struct CallFlags: Equatable {
    var branch = BranchChoice.none
    /// `b`: the text of extra_id_pv joins the Call-ID.
    var usesExtraID = false
    /// `l`: only rewrite where the session exists.
    var looksUpOnly = false
    /// `x`: bridge by the family of the first stream's address.
    var bridgesByFamily = false
    /// `f`: another proxy's mark does not matter.
    var ignoresMarker = false
    /// `r`, `a`: the address in the SDP is true.
    var trustsAddress = false
    /// `o`
    var changesOrigin = false
    /// `c`
    var changesSessionConnection = false
    /// `zNN`: packet time in milliseconds, 1..999; 0 not asked for.
    var repacketizationMilliseconds: UInt32 = 0
    /// `d`, `p`, `g`; nil: the description is as it came, but for addresses and ports.
    var bridging: Bridging?
    /// `t`: leave the to-tag out of a delete.
    var deletesWholeCall = false
    /// `s`: a delete keeps the figures.
    var keepsFigures = false

    private mutating func bridge(_ kind: Bridging, _ count: inout Int) {
        bridging = kind
        count &+= 1
    }

    /// What the flags belong to.
    enum Use {
        /// offer, answer, manage
        case media
        /// destroy, and manage where it becomes one
        case delete
    }

    /// Longest flags string, in bytes: far more than letters that mean something.
    static let maximumLength = 255

    /// Reads `text`; `modifiers` receives the letters for the wire. Letters are accepted in either case but for `b`.
    static func parse(
        _ text: Span<UInt8>, for use: Use, modifiers: inout some ByteWriter
    ) throws(CallFailure) -> CallFlags {
        var flags = CallFlags()
        modifiers.clear()
        guard text.count <= maximumLength else { throw .flagsTooLong }
        var bridges = 0
        var offset = 0
        while let letter = text.byte(at: offset) {
            offset &+= 1
            switch letter {
            case UInt8(ascii: "1"): flags.branch = .first
            case UInt8(ascii: "2"): flags.branch = .second
            case UInt8(ascii: "3"): flags.branch = .byDirection
            case UInt8(ascii: "b"): flags.usesExtraID = true
            default:
                switch lowercased(letter) {
                case UInt8(ascii: "a"):
                    modifiers.append(Modifier.asymmetric.letter)
                    flags.trustsAddress = true
                case UInt8(ascii: "r"): flags.trustsAddress = true
                case UInt8(ascii: "l"): flags.looksUpOnly = true
                case UInt8(ascii: "i"): modifiers.append(Modifier.internalNetwork.letter)
                case UInt8(ascii: "e"): modifiers.append(Modifier.externalNetwork.letter)
                case UInt8(ascii: "w"): modifiers.append(Modifier.symmetric.letter)
                case UInt8(ascii: "x"): flags.bridgesByFamily = true
                case UInt8(ascii: "f"): flags.ignoresMarker = true
                case UInt8(ascii: "o"): flags.changesOrigin = true
                case UInt8(ascii: "c"): flags.changesSessionConnection = true
                case UInt8(ascii: "t"): flags.deletesWholeCall = true
                case UInt8(ascii: "s"): flags.keepsFigures = true
                case UInt8(ascii: "d"): flags.bridge(.toWebRTC, &bridges)
                case UInt8(ascii: "p"): flags.bridge(.toPlain, &bridges)
                case UInt8(ascii: "g"): flags.bridge(.byTarget, &bridges)
                case UInt8(ascii: "z"):
                    var end = offset
                    while let digit = text.byte(at: end), isDigit(digit) { end &+= 1 }
                    if use == .media {
                        let digits = ByteRange(from: offset, to: end)
                        guard let milliseconds = Decimal.parse(text, digits, maximum: 999), milliseconds > 0 else {
                            throw .badRepacketization
                        }
                        flags.repacketizationMilliseconds = milliseconds
                    }
                    offset = end
                default: throw .unknownFlag(letter)
                }
            }
        }
        guard bridges < 2 || use == .delete else { throw .severalBridges }
        return flags
    }
}
