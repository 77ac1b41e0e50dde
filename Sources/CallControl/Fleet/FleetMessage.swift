// SPDX-License-Identifier: GPL-2.0-or-later
// The messages of hosts that share calls, as bytes: what is written is read here, and nothing else.
//
// Numbers have the lowest byte first. Forty bytes, `RPX` and the version 1 in front, then the part that the kind says,
// then a full stop, so that no message ends in a zero:
//
//   0  "RPX" 1    8  when the sender started    24  number since then    32  place
//   4  kind      16  when it is sent            28  how many calls       36  next place
//   5  how many names; 6, 7  zero
//
// `changes`: calls of 15 bytes each (key 8, low 48 bits of the stamp 6, name 1), then names of 8 bytes, the hash of an
// RTPProxy each. The name is its number, and 128 more where another RTPProxy may have a session of the call as well; 255:
// the call has ended. `page` is the same, the answer to a question; `next place` 2^32-1: the last.
// `question`: 8 bytes, the time since which the asked one's changes are wanted, from `place` on.
// `greeting`: records of RTPProxies: hash 8, stamp 8, flags 1, set 4, length of the URL 1, URL.
// All times are microseconds of the sender's clock.

import Bytes
import SharedState

/// A message, as far as its first forty bytes tell.
struct FleetMessage: Equatable {
    enum Kind: UInt8 {
        case changes = 1
        case greeting = 2
        case question = 3
        case page = 4
    }

    let kind: Kind
    let nameCount: Int
    let epoch: UInt64
    let sentAt: UInt64
    let sequence: UInt32
    let callCount: Int
    let place: UInt32
    let next: UInt32

    static let headerSize = 40
    static let callSize = 15
    static let nameSize = 8
    /// The longest message that is written.
    static let mostBytes = 16_384
    /// Names that a message of calls may have.
    static let mostNames = 127
    /// Records that a greeting may have.
    static let mostRecords = 254
    /// The name of a call that has ended.
    private static let ended: UInt8 = 255
    /// What the name has besides where the call has had another node.
    private static let moved: UInt8 = 128
    private static let magic: UInt32 = 0x0158_5052
    private static let fullStop = UInt8(ascii: ".")

    /// Reads the beginning of a message, and checks that the rest has the size that this asks for; nil: it is none.
    init?(_ bytes: Span<UInt8>) {
        guard bytes.count > Self.headerSize, bytes.count <= Self.mostBytes,
            bytes.byte(at: bytes.count &- 1) == Self.fullStop,
            UInt32(truncatingIfNeeded: bytes.eightBytes(at: 0)) == Self.magic,
            let kind = Kind(rawValue: bytes.byte(at: 4) ?? 0), bytes.byte(at: 6) == 0, bytes.byte(at: 7) == 0
        else { return nil }
        self.kind = kind
        nameCount = Int(widening: bytes.byte(at: 5) ?? 0)
        epoch = bytes.eightBytes(at: 8)
        sentAt = bytes.eightBytes(at: 16)
        sequence = UInt32(truncatingIfNeeded: bytes.eightBytes(at: 24))
        callCount = Int(truncatingIfNeeded: bytes.eightBytes(at: 24) >> 32)
        place = UInt32(truncatingIfNeeded: bytes.eightBytes(at: 32))
        next = UInt32(truncatingIfNeeded: bytes.eightBytes(at: 32) >> 32)
        guard epoch != 0, sentAt >= epoch, callCount <= Self.mostBytes, nameCount <= Self.mostRecords else {
            return nil
        }
        let rest = bytes.count &- Self.headerSize &- 1
        switch kind {
        case .changes, .page:
            guard nameCount <= Self.mostNames, rest == callCount &* Self.callSize &+ nameCount &* Self.nameSize
            else { return nil }
        case .question:
            guard rest == 8, callCount == 0, nameCount == 0 else { return nil }
        case .greeting:
            guard callCount == 0 else { return nil }
        }
    }

    /// Call number `index`: what the table knows it by, the number of the node's name, nil where it has ended, whether it
    /// has had another one, and the stamp. nil: there is no such call, or it makes no sense.
    @_optimize(size)
    func call(_ index: Int, _ bytes: Span<UInt8>) -> (key: UInt64, name: Int?, hasMoved: Bool, stamp: UInt64)? {
        guard index >= 0, index < callCount else { return nil }
        let start = Self.headerSize &+ index &* Self.callSize
        let key = bytes.eightBytes(at: start)
        let low = bytes.word(ByteRange(start: start &+ 8, count: 6))
        let name = bytes.byte(at: start &+ 14) ?? Self.ended
        let number = Int(widening: name & ~Self.moved)
        // How long ago, modulo 2^48: almost nine years.
        let age = (sentAt &- low) & 0xFFFF_FFFF_FFFF
        guard key != 0, age <= sentAt, name == Self.ended || number < nameCount else { return nil }
        return (key, name == Self.ended ? nil : number, name != Self.ended && name & Self.moved != 0, sentAt &- age)
    }

    /// Hash of the node with name number `index`; 0: there is none.
    func name(_ index: Int, _ bytes: Span<UInt8>) -> UInt64 {
        guard index >= 0, index < nameCount else { return 0 }
        return bytes.eightBytes(at: Self.headerSize &+ callCount &* Self.callSize &+ index &* Self.nameSize)
    }

    /// Of a question: since when.
    func since(_ bytes: Span<UInt8>) -> UInt64 { bytes.eightBytes(at: Self.headerSize) }

    // MARK: - Writing

    /// Begins a message in `output`, which is emptied.
    @_optimize(size)
    static func begin(
        _ output: inout Scratch<UInt8>, _ kind: Kind, epoch: UInt64, sequence: UInt32, place: UInt32 = 0
    ) {
        output.clear()
        output.append(UInt64(widening: magic), count: 4)
        output.append(UInt64(widening: kind.rawValue), count: 4)
        output.append(epoch, count: 8)
        output.append(epoch, count: 8)
        output.append(UInt64(widening: sequence), count: 8)
        output.append(UInt64(widening: place), count: 8)
    }

    /// Adds a call, whose node has this name, nil where it has ended.
    static func append(_ output: inout Scratch<UInt8>, _ call: SharedCall, name: Int?) {
        output.append(call.key, count: 8)
        output.append(call.stamp, count: 6)
        output.append(name.map { UInt8(truncatingIfNeeded: $0) | (call.hasMoved ? moved : 0) } ?? ended)
    }

    /// Ends a message. `sentAt`: later than the stamps of all calls in it.
    @_optimize(size)
    static func end(
        _ output: inout Scratch<UInt8>, sentAt: UInt64, calls: Int = 0, names: Int = 0, next: UInt32 = 0
    ) {
        output.append(fullStop)
        write(UInt64(truncatingIfNeeded: names), count: 1, at: 5, &output)
        write(sentAt, count: 8, at: 16, &output)
        write(UInt64(truncatingIfNeeded: calls), count: 4, at: 28, &output)
        write(UInt64(widening: next), count: 4, at: 36, &output)
    }

    /// Writes the lowest bytes of a number over what stands there.
    private static func write(_ number: UInt64, count: Int, at place: Int, _ output: inout Scratch<UInt8>) {
        var rest = number
        for offset in 0..<count where output.indices.contains(place &+ offset) {
            // NO TRAP: one of the indices, by the condition.
            output[place &+ offset] = UInt8(truncatingIfNeeded: rest)
            rest &>>= 8
        }
    }
}

/// What a greeting says of an RTPProxy.
struct FleetNodeRecord: Equatable {
    /// What it is known by.
    var hash: UInt64
    /// When it was switched or drained last; 0: never.
    var stamp: UInt64
    var isDisabled: Bool
    var isDraining: Bool
    /// The sender has just lost it, or found it again: no more than a hint.
    var isInDoubt: Bool
    var setID: UInt32
    /// Where its URL stands.
    var url: ByteRange

    /// Of a node without its URL.
    init(hash: UInt64, stamp: UInt64, isDisabled: Bool, isDraining: Bool, isInDoubt: Bool, setID: UInt32) {
        (self.hash, self.stamp, self.setID) = (hash, stamp, setID)
        (self.isDisabled, self.isDraining, self.isInDoubt) = (isDisabled, isDraining, isInDoubt)
        url = ByteRange(from: 0, to: 0)
    }

    /// Reads the record at `offset`, and moves that behind it; nil: there is none, or it makes no sense.
    init?(_ bytes: Span<UInt8>, _ offset: inout Int) {
        let end = bytes.count &- 1
        guard offset >= 0, end &- offset >= 22 else { return nil }
        let flags = bytes.byte(at: offset &+ 16) ?? 0
        let length = Int(widening: bytes.byte(at: offset &+ 21) ?? 0)
        guard flags < 8, end &- offset &- 22 >= length else { return nil }
        hash = bytes.eightBytes(at: offset)
        stamp = bytes.eightBytes(at: offset &+ 8)
        (isDisabled, isDraining, isInDoubt) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0)
        setID = UInt32(truncatingIfNeeded: bytes.word(ByteRange(start: offset &+ 17, count: 4)))
        url = ByteRange(start: offset &+ 22, count: length)
        offset &+= 22 &+ length
    }

    /// Adds the record, with its URL.
    @_optimize(size)
    func append(to output: inout Scratch<UInt8>, _ url: Span<UInt8>) {
        output.append(hash, count: 8)
        output.append(stamp, count: 8)
        output.append((isDisabled ? 1 : 0) | (isDraining ? 2 : 0) | (isInDoubt ? 4 : 0))
        output.append(UInt64(widening: setID), count: 4)
        let length = min(url.count, 255)
        output.append(UInt8(truncatingIfNeeded: length))
        output.append(url, ByteRange(from: 0, to: length))
    }
}
