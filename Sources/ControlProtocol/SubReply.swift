// SPDX-License-Identifier: GPL-2.0-or-later
// The answer to a command with sub-commands: cut at ` && `, then read with distrust, as it becomes a session description
// (control-protocol: sub-commands).

package import Bytes

/// What one sub-command was answered.
package enum SubReply: Equatable, Sendable {
    /// `0`, or left out because nothing but successes follow.
    case success
    /// `-1`, or anything else that is no value: no further one was carried out.
    case failure
    /// What it asked for.
    case value(ByteRange)
}

/// The parts of an answer, in the order of the commands.
package struct JoinedReply: Sendable {
    /// The answer to the command in front.
    package let head: ByteRange
    private var rest: ByteRange
    private var hasFailed = false

    /// Cuts `reply`, which ends before its line end, behind the answer to the first command.
    package init(_ bytes: Span<UInt8>, _ reply: ByteRange) {
        let whole = bytes.clamped(reply)
        (head, rest) = Self.cut(bytes, whole)
    }

    /// The answer to the next sub-command.
    package mutating func next(in bytes: Span<UInt8>) -> SubReply {
        guard !hasFailed else { return .failure }
        guard !rest.isEmpty else { return .success }
        let part: ByteRange
        (part, rest) = Self.cut(bytes, rest)
        let value = bytes.trimmed(part)
        if bytes.equals(value, "0") { return .success }
        // An E code in place of a value has not been seen; it would be none either.
        guard let first = bytes.byte(at: value.start), first != UInt8(ascii: "-"), !value.isEmpty,
            PlainReply.errorCode(bytes, value) == nil
        else {
            hasFailed = true
            return .failure
        }
        return .value(value)
    }

    /// Whether all sub-commands that are left have succeeded, and none was to answer with a value.
    @_optimize(size) @inline(never)
    package mutating func allSucceed(in bytes: Span<UInt8>) -> Bool {
        while !rest.isEmpty {
            if next(in: bytes) != .success { return false }
        }
        return true
    }

    /// What stands before the first word `&&`, and what behind it.
    private static func cut(_ bytes: Span<UInt8>, _ range: ByteRange) -> (ByteRange, ByteRange) {
        var fields = FieldCursor(in: range)
        while let field = fields.next(in: bytes) {
            guard bytes.equals(field, "&&") else { continue }
            return (ByteRange(from: range.start, to: field.start), ByteRange(from: field.end, to: range.end))
        }
        return (range, .empty)
    }
}

/// Which side begins the handshake of DTLS (RFC 4145 section 4, RFC 8842).
package enum RelaySetup: Equatable, Sendable {
    case actpass, active, passive
}

/// The answer to `M4:1 S`: `actpass|active|passive SHA-256 FINGERPRINT`.
package struct DTLSReply: Equatable, Sendable {
    /// What the relay does.
    package let setup: RelaySetup
    /// The pairs of digits alone.
    package let fingerprint: ByteRange

    /// Reads a value; nil where it is none. It is in no other form, as it goes into a description.
    package init?(_ bytes: Span<UInt8>, _ value: ByteRange) {
        var fields = FieldCursor(in: value)
        guard let word = fields.next(in: bytes), let method = fields.next(in: bytes),
            let fingerprint = fields.next(in: bytes), fields.next(in: bytes) == nil,
            bytes.equalsIgnoringCase(method, "SHA-256"), SecurityText.isFingerprint(bytes, fingerprint)
        else { return nil }
        if bytes.equals(word, "actpass") {
            setup = .actpass
        } else if bytes.equals(word, "active") {
            setup = .active
        } else if bytes.equals(word, "passive") {
            setup = .passive
        } else {
            return nil
        }
        self.fingerprint = fingerprint
    }
}

/// The answer to `M5:1 S`: `UFRAG PASSWORD c:CANDIDATE...`. The candidates are of the relay's bind address and are not
/// read: those of a description are made of the address and port that the command itself was answered with.
package struct ICEReply: Equatable, Sendable {
    package let ufrag: ByteRange
    package let password: ByteRange

    /// Reads a value; nil where it is none.
    package init?(_ bytes: Span<UInt8>, _ value: ByteRange) {
        var fields = FieldCursor(in: value)
        guard let ufrag = fields.next(in: bytes), let password = fields.next(in: bytes),
            SecurityText.isUfrag(bytes, ufrag), SecurityText.isPassword(bytes, password)
        else { return nil }
        self.ufrag = ufrag
        self.password = password
    }
}
