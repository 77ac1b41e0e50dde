// SPDX-License-Identifier: GPL-2.0-or-later
// One `m=` line and what belongs to it.

package import Bytes

/// A media stream: an `m=` line (RFC 8866 section 5.14) with its lines up to the next `m=` or `v=`.
/// All ranges are offsets into the body that was parsed.
package struct MediaStream: Sendable, BitwiseCopyable {
    /// From 1, over all sessions of the body.
    package let number: Int
    /// The line of the `m=`, from 1.
    package let line: Int
    /// The port, without `/<n>`.
    package let port: UInt16
    /// The digits of the port.
    package let portText: ByteRange
    /// The transport protocol, such as `RTP/AVP`; empty where the line ends before it.
    package let transport: ByteRange
    /// Whether its media are `audio`.
    package let isAudio: Bool
    /// Whether the transport protocol is one of the RTP profiles.
    package let isRTP: Bool
    /// Whether the transport protocol is TCP, alone or with something on top of it (RFC 4145, RFC 4571, RFC 4975).
    package let isOverTCP: Bool
    /// Everything behind the transport protocol: the payload types of RTP.
    package let formats: ByteRange
    /// The address of the `c=` that counts, without `/<ttl>`: the stream's first, else its session's first.
    package internal(set) var address = ByteRange.empty
    /// The family of `address` itself where it is numeric, else that of the `c=` line.
    package internal(set) var family = AddressFamily.ipv4
    /// Whether `address` is numeric, and no name.
    package internal(set) var isNumeric = false
    /// Whether `address` is the null address (RFC 3264 section 8.4).
    package internal(set) var isOnHold = false
    /// Whether there is an `a=candidate:` line (RFC 8839 section 5.1).
    package internal(set) var hasCandidates = false

    /// Whether who has written this, or who gets it, has the transport of an earlier stream for it, by a group BUNDLE, and
    /// no other one (RFC 9143 section 7.2): a relay has a port for each stream.
    package internal(set) var sharesTransport = false
    /// Whether `address` is that of an ICE candidate, in the place of that of the `c=`.
    package internal(set) var isReachedByCandidate = false

    /// Whether the stream is off (RFC 3264 sections 5.1 and 6): nothing of it but its number matters.
    package var isOff: Bool { port == 0 }
    /// Whether a relay is to be asked for it: it is on, and it is datagrams.
    package var wantsRelay: Bool { !isOff && !isOverTCP }

    /// The place of the stream's session among the sessions.
    let session: Int
    /// Whether the stream has a `c=` of its own.
    var hasOwnConnection = false
    /// Whether that one stands where some readers no longer read, so that the session's counts for them.
    var isCutOff = false
    /// The index of the place behind the last `a=candidate:` line.
    var candidatesPlace = 0
    /// The index of the place where a `c=` of its own would stand.
    var connectionPlace = 0

    /// Reads the value of an `m=` line; nil where it holds no port.
    init?(number: Int, line: Line, session: Int, in body: Span<UInt8>) {
        let value = ByteRange(from: line.content.start &+ 2, to: line.content.end)
        var fields = FieldCursor(in: value)
        guard let media = fields.next(in: body), let portField = fields.next(in: body) else { return nil }
        if let port = Decimal.parse(body, portField, maximum: 65535) {
            portText = portField
            self.port = UInt16(truncatingIfNeeded: port)
        } else {
            guard let slash = body.firstIndex(of: UInt8(ascii: "/"), in: portField) else { return nil }
            portText = ByteRange(from: portField.start, to: slash)
            let ports = ByteRange(from: slash &+ 1, to: portField.end)
            guard let port = Decimal.parse(body, portText, maximum: 65535),
                Decimal.parse(body, ports, maximum: 65535) != nil
            else { return nil }
            self.port = UInt16(truncatingIfNeeded: port)
        }
        self.portField = portField
        self.number = number
        self.line = line.number
        isAudio = media.count == 5 && body.word(media) | ShortWord.smallLetters(5) == ShortWord.audio
        self.session = session
        transport = fields.next(in: body) ?? ByteRange(start: value.end, count: 0)
        let mayBeOverTCP = body.byte(at: transport.start).map(lowercased) == UInt8(ascii: "t")
        isRTP = !mayBeOverTCP && MediaStream.isRTP(body, transport)
        isOverTCP =
            mayBeOverTCP
            && (body.hasPrefixIgnoringCase(transport, "TCP/") || body.equalsIgnoringCase(transport, "TCP"))
        formats = body.trimmed(ByteRange(from: transport.end, to: value.end))
    }

    /// The port with its `/<n>`, if any: what a new port takes the place of.
    let portField: ByteRange

    /// Takes over the connection that counts.
    mutating func adopt(_ connection: ConnectionField) {
        address = connection.address
        family = connection.family
        isNumeric = connection.isNumeric
        isOnHold = connection.isNull
    }

    /// Whether `range` names an RTP profile: `RTP/AVP`, `RTP/SAVP` (RFC 3711), `RTP/AVPF` (RFC 4585), `RTP/SAVPF`
    /// (RFC 5124), alone or behind `UDP/TLS/` (RFC 5764), letters in either case: not everyone writes capitals. What is
    /// over TCP is no relay's.
    static func isRTP(_ bytes: Span<UInt8>, _ range: ByteRange) -> Bool {
        var profile = bytes.clamped(range)
        if profile.count > 9, bytes.hasPrefixIgnoringCase(profile, "UDP/TLS/") {
            profile = ByteRange(from: profile.start &+ 8, to: profile.end)
        }
        let word = bytes.word(profile) | ShortWord.smallLettersOfProfile
        switch profile.count {
        case 7: return word & UInt64.max &>> 8 == ShortWord.avp
        case 8: return word == ShortWord.savp || word == ShortWord.avpf
        case 9: return bytes.equalsIgnoringCase(profile, "RTP/SAVPF")
        default: return false
        }
    }

    /// Adds the stream's payload types to `output`, in order, with a comma between each two: numbers from 0 to 127,
    /// each once. False, and nothing is added, where there is none or the stream is not RTP.
    package func appendPayloadTypes(in body: Span<UInt8>, to output: inout some ByteWriter) -> Bool {
        guard isRTP else { return false }
        var types = PayloadTypes()
        let inside = body.clamped(formats)
        // The number that is being read; above 127: it is no payload type.
        var number: UInt64 = 0
        var hasDigits = false
        var index = inside.start
        let end = inside.end
        while index <= end {
            // SAFETY (1): below the end the index is within `inside`, which clamped(_:) keeps within the span.
            let byte = index < end ? unsafe body[unchecked: index] : 0x20
            index &+= 1
            let digit = byte &- 0x30
            if digit <= 9 {
                hasDigits = true
                // Once above it stays there: at most 1289 becomes of it.
                number = min(number &* 10 &+ UInt64(widening: digit), 128)
            } else if !isBlank(byte) {
                hasDigits = true
                number = 128
            } else if hasDigits {
                if number <= 127 { types.add(number, to: &output) }
                hasDigits = false
                number = 0
            }
        }
        return !types.isEmpty
    }
}

/// Payload types of an `m=` line on their way to a list with commas.
private struct PayloadTypes {
    /// Those that the list has: 0 to 63, and 64 to 127.
    private var low: UInt64 = 0
    private var high: UInt64 = 0

    var isEmpty: Bool { low | high == 0 }

    /// Adds `number`, 0 to 127, unless the list has it.
    mutating func add(_ number: UInt64, to output: inout some ByteWriter) {
        let bit: UInt64 = 1 &<< (number & 63)
        guard (number < 64 ? low : high) & bit == 0 else { return }
        // A comma before all but the first, and the digits, in one go.
        let (tens, ones) = (number / 10, number % 10)
        var text = 0x30 | ones
        var count = 1
        if number >= 100 {
            text = 0x30_3031 | (tens &- 10) &<< 8 | ones &<< 16
            count = 3
        } else if number >= 10 {
            text = 0x3030 | tens | ones &<< 8
            count = 2
        }
        if !isEmpty {
            text = text &<< 8 | UInt64(widening: UInt8(ascii: ","))
            count &+= 1
        }
        if number < 64 { low |= bit } else { high |= bit }
        output.append(text, count: count)
    }
}
