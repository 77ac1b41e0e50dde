// SPDX-License-Identifier: GPL-2.0-or-later
// One `m=` line and what belongs to it.

package import Bytes

/// A media stream: an `m=` line (RFC 8866 section 5.14) with its lines up to the next `m=` or `v=`.
/// All ranges are offsets into the body that was parsed.
package struct MediaStream: Sendable {
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
        let slash = body.firstIndex(of: UInt8(ascii: "/"), in: portField)
        portText = ByteRange(from: portField.start, to: slash ?? portField.end)
        guard let port = Decimal.parse(body, portText, maximum: 65535) else { return nil }
        if let slash {
            let ports = ByteRange(from: slash &+ 1, to: portField.end)
            guard Decimal.parse(body, ports, maximum: 65535) != nil else { return nil }
        }
        self.port = UInt16(truncatingIfNeeded: port)
        self.portField = portField
        self.number = number
        self.line = line.number
        isAudio = body.equalsIgnoringCase(media, "audio")
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
        switch profile.count {
        case 7: return bytes.equalsIgnoringCase(profile, "RTP/AVP")
        case 8: return bytes.equalsIgnoringCase(profile, "RTP/SAVP") || bytes.equalsIgnoringCase(profile, "RTP/AVPF")
        case 9: return bytes.equalsIgnoringCase(profile, "RTP/SAVPF")
        default: return false
        }
    }

    /// Adds the stream's payload types to `output`, in order, with a comma between each two: numbers from 0 to 127,
    /// each once. False, and nothing is added, where there is none or the stream is not RTP.
    package func appendPayloadTypes(in body: Span<UInt8>, to output: inout [UInt8]) -> Bool {
        guard isRTP else { return false }
        var fields = FieldCursor(in: formats)
        var low: UInt64 = 0
        var high: UInt64 = 0
        // A number takes no more than its field, and the comma as much as the blank.
        output.append(addingCapacity: formats.count &+ 1) { output in
            while let field = fields.next(in: body) {
                guard let type = Decimal.parse(body, field, maximum: 127) else { continue }
                let bit: UInt64 = 1 &<< UInt64(type & 63)
                guard (type < 64 ? low : high) & bit == 0 else { continue }
                if low | high != 0 { output.add(UInt8(ascii: ",")) }
                if type < 64 { low |= bit } else { high |= bit }
                output.add(decimal: UInt64(type))
            }
        }
        return low | high != 0
    }
}
