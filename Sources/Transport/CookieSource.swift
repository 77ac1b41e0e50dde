// SPDX-License-Identifier: GPL-2.0-or-later
// Cookies that no other client of an RTPProxy has used within its memory of about 35 s.

internal import Bytes

/// Where the answer to a cookie belongs: which exchange of a group, and which of its commands.
struct CookieTag: Equatable {
    /// 0..<131072.
    var member: Int
    /// 0..<256.
    var command: Int

    static let maximumMembers = 1 << 17
    /// Of a command that nobody waits for: no group has so many members.
    // NO TRAP: constants: 131,071, 21 and 2048.
    static let nobody = CookieTag(member: maximumMembers - 1, command: 0)
}

/// Cookies (control-protocol: Cookies): 80 random bits, drawn from the kernel 128 cookies at a time, and behind them
/// the tag, which finds a reply's command without a search. The tag alone proves nothing: a cookie is compared as a
/// whole.
///
/// A source that was filled before a fork is filled anew in the child: the process id is compared once per exchange,
/// when its first command is added, so that two processes never draw the same bytes.
package struct CookieSource: ~Copyable {
    /// Length of a cookie's text, in bytes: five bits each.
    // NO TRAP (2): constants: 131,071, 21 and 2048.
    package static let length = randomLength + tagLength

    private static let randomLength = 16
    private static let tagLength = 5
    private static let capacity = 128 * randomLength
    private var pool: [UInt8] = []
    private var used = 0
    private var owner: Int64 = -1

    package init() {}

    /// Forgets what another process has drawn. `Exchange.add` does it.
    mutating func beginExchange(processID: Int64 = Kernel.processID()) {
        guard processID != owner else { return }
        owner = processID
        used = pool.count
    }

    /// Random bytes that are drawn and unused.
    var bytesLeft: Int { pool.count &- used }

    /// Adds a cookie's text to `text`; false where the kernel has no random bytes, and nothing is added.
    mutating func append(to text: inout some ByteWriter, _ tag: CookieTag) -> Bool {
        if bytesLeft < Self.randomLength {
            guard refill() else { return false }
        }
        let random = (pool.span.eightBytes(at: used), pool.span.eightBytes(at: used &+ 8))
        used &+= Self.randomLength
        var rest = UInt64(truncatingIfNeeded: tag.member) &<< 8 | UInt64(truncatingIfNeeded: tag.command) & 0xFF
        var values: UInt64 = 0
        // NO TRAP: 0 to a constant that is above it.
        for place in 0..<Self.tagLength {
            values |= (rest & 0x1F) &<< UInt64(truncatingIfNeeded: 8 &* place)
            rest &>>= 5
        }
        text.append(Self.digits(random.0), count: 8)
        text.append(Self.digits(random.1), count: 8)
        text.append(Self.digits(values), count: Self.tagLength)
        return true
    }

    /// The tag of the cookie that stands at the beginning of `range`, nil where none can.
    static func tag(_ bytes: Span<UInt8>, _ range: ByteRange) -> CookieTag? {
        guard range.count >= length else { return nil }
        var number: UInt32 = 0
        // NO TRAP: 0 to a constant that is above it.
        for place in 0..<tagLength {
            guard let byte = bytes.byte(at: range.start &+ randomLength &+ place), let value = value(byte) else {
                return nil
            }
            // NO TRAP: place is 0..<5.
            number |= UInt32(widening: value) &<< UInt32(5 &* place)
        }
        return CookieTag(member: Int(widening: number >> 8), command: Int(widening: number & 0xFF))
    }

    /// The digits of eight values at once, of each its lowest five bits: `0` to `9`, then `a` to `v`.
    private static func digits(_ values: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let values = values & (ones &* 0x1F)
        // 1 in each byte whose value is 10 or more: its high bit is set by what is missing to 128.
        let letters = (values &+ ones &* 118) &>> 7 & ones
        return values &+ ones &* UInt64(widening: UInt8(ascii: "0")) &+ letters &* 39
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit &- UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "v"): digit &- UInt8(ascii: "a") &+ 10
        default: nil
        }
    }

    private mutating func refill() -> Bool {
        if pool.isEmpty { pool = [UInt8](repeating: 0, count: Self.capacity) }
        guard Kernel.fillRandom(&pool) else {
            used = pool.count
            return false
        }
        used = 0
        return true
    }
}
