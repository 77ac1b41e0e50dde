// SPDX-License-Identifier: GPL-2.0-or-later
// What RTPProxy answers, read with distrust: a reply is one of the forms below or it is no protocol.

package import Bytes

/// The answer to `U` or `L` (control-protocol: Commands).
package enum MediaReply: Equatable, Sendable {
    /// A port of 1..65535 and, unless RTPProxy listens on a wildcard, its numeric address; `address` may be empty.
    case address(port: UInt16, address: ByteRange, family: AddressFamily)
    /// `0`: the session is unknown.
    case noSession
    /// A number that is no port.
    case badPort
    case error(ErrorCode)
    /// Anything else.
    case malformed

    /// Reads `reply`, which ends before its line end.
    package static func parse(_ bytes: Span<UInt8>, _ reply: ByteRange) -> MediaReply {
        var fields = FieldCursor(in: reply)
        guard let first = fields.next(in: bytes) else { return .malformed }
        if let code = PlainReply.errorCode(bytes, first) { return .error(code) }
        guard let number = Decimal.parse(bytes, first, maximum: .max) else { return .malformed }
        if number == 0 { return .noSession }
        guard let port = UInt16(exactly: number) else { return .badPort }
        guard let address = fields.next(in: bytes) else {
            return .address(port: port, address: .empty, family: .ipv4)
        }
        guard let family = AddressText.family(bytes, address) else { return .malformed }
        return .address(port: port, address: address, family: family)
    }
}

/// The answer to every other command.
package enum PlainReply: Equatable, Sendable {
    /// `0`, or `1`.
    case done
    case error(ErrorCode)
    case malformed

    /// Reads `reply`, which ends before its line end. It is printable ASCII, as it becomes `$rtpstat` as it is: a script
    /// may put that into a header or a log line.
    package static func parse(_ bytes: Span<UInt8>, _ reply: ByteRange) -> PlainReply {
        var fields = FieldCursor(in: reply)
        guard let first = fields.next(in: bytes), isPrintable(bytes, reply) else { return .malformed }
        if let code = errorCode(bytes, first) { return .error(code) }
        return Decimal.parse(bytes, first, maximum: .max) == nil ? .malformed : .done
    }

    private static func isPrintable(_ bytes: Span<UInt8>, _ range: ByteRange) -> Bool {
        let inside = bytes.clamped(range)
        var index = inside.start
        while index < inside.end {
            // NO TRAP: the loop keeps the index between the clamped start and end.
            guard bytes[index] >= 0x20, bytes[index] < 0x7F else { return false }
            index &+= 1
        }
        return true
    }

    /// The code of a word like `E50`, or nil.
    static func errorCode(_ bytes: Span<UInt8>, _ word: ByteRange) -> ErrorCode? {
        guard let letter = bytes.byte(at: word.start), lowercased(letter) == UInt8(ascii: "e") else { return nil }
        let digits = ByteRange(from: word.start &+ 1, to: word.end)
        return Decimal.parse(bytes, digits, maximum: 999_999).map { ErrorCode($0) }
    }
}
