// SPDX-License-Identifier: GPL-2.0-or-later
// Cookies that no other client of an RTPProxy has used within its memory of about 35 s.

private import Bytes

/// Random cookies (control-protocol: Cookies), 100 bits each, drawn from the kernel 128 at a time.
///
/// A source that was filled before a fork is filled anew in the child: the process id is compared once per exchange,
/// when its first command is added, so that two processes never draw the same bytes.
public struct CookieSource: ~Copyable {
    /// Length of a cookie's text, in bytes: five random bits each.
    public static let length = 20

    private static let capacity = 128 * length
    private var pool: [UInt8] = []
    private var used = 0
    private var owner: Int64 = -1

    public init() {}

    /// Forgets what another process has drawn. One cheap system call; `Exchange.add` makes it.
    mutating func beginExchange(processID: Int64 = Kernel.processID()) {
        guard processID != owner else { return }
        owner = processID
        used = pool.count
    }

    /// Random bytes that are drawn and unused.
    var bytesLeft: Int { pool.count &- used }

    /// Adds a cookie's text to `text`; false where the kernel has no random bytes, and nothing is added.
    mutating func append(to text: inout [UInt8]) -> Bool {
        if bytesLeft < Self.length {
            guard refill() else { return false }
        }
        for _ in 0..<Self.length {
            let digit = pool[used] & 0x1F
            used &+= 1
            text.append(digit < 10 ? UInt8(ascii: "0") &+ digit : UInt8(ascii: "a") &+ (digit &- 10))
        }
        return true
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
