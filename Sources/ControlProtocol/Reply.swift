// SPDX-License-Identifier: GPL-2.0-or-later
// What RTPProxy answers, read with distrust: a reply is one of the forms below or it is no protocol.

public import Bytes

/// The number behind the `E` of an error reply (control-protocol: Errors).
public struct ErrorCode: Equatable, Sendable {
    public let number: UInt32
    public init(_ number: UInt32) { self.number = number }

    /// `E50`: there is no such session.
    public static let noSession = ErrorCode(50)

    /// Whether another RTPProxy may do better on a new session: out of ports, descriptors or memory, overloaded or
    /// draining, and the internal faults of RTPProxy 1.x.
    public var isWorthAnotherNode: Bool {
        switch number {
        case 7...10, 71, 72, 81...89, 98, 99: true
        default: false
        }
    }

    /// What the error is about.
    public var group: ErrorGroup {
        switch number {
        case 0...6, 11...19, 25, 26, 31...37: .command
        case 7...10: .inside
        case 50: .session
        case 60, 62, 65, 68, 75: .function
        case 71, 72: .ports
        case 81...89: .memory
        case 98: .overload
        case 99: .draining
        default: .other
        }
    }
}

/// Groups of error replies (control-protocol: Errors).
public enum ErrorGroup: Sendable {
    /// The command was not understood, or its reply would be too long.
    case command
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

/// The answer to `U` or `L` (control-protocol: Commands).
public enum MediaReply: Equatable, Sendable {
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
    public static func parse(_ bytes: Span<UInt8>, _ reply: ByteRange) -> MediaReply {
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
public enum PlainReply: Equatable, Sendable {
    /// `0`, or `1`.
    case done
    case error(ErrorCode)
    case malformed

    /// Reads `reply`, which ends before its line end. It is printable ASCII, as it becomes `$rtpstat` as it is: a script
    /// may put that into a header or a log line.
    public static func parse(_ bytes: Span<UInt8>, _ reply: ByteRange) -> PlainReply {
        var fields = FieldCursor(in: reply)
        guard let first = fields.next(in: bytes), isPrintable(bytes, reply) else { return .malformed }
        if let code = errorCode(bytes, first) { return .error(code) }
        return Decimal.parse(bytes, first, maximum: .max) == nil ? .malformed : .done
    }

    private static func isPrintable(_ bytes: Span<UInt8>, _ range: ByteRange) -> Bool {
        let inside = bytes.clamped(range)
        var index = inside.start
        while index < inside.end {
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
