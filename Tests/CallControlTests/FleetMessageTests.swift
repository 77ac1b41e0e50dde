// SPDX-License-Identifier: GPL-2.0-or-later
// The messages of hosts that share calls: what is written is read, and what makes no sense is not.

import Bytes
import SharedState
import Testing

@testable import CallControl

@Suite struct FleetMessageTests {
    private static func changes() -> [UInt8] {
        var output = Scratch<UInt8>()
        FleetMessage.begin(&output, .changes, epoch: 1_600_000_000_000_000, sequence: 77)
        let moved = SharedCall(key: 1, node: 7, hasMoved: true, stamp: 1_699_999_999_999_999)
        FleetMessage.append(&output, moved, name: 0)
        FleetMessage.append(&output, SharedCall(key: .max, node: nil, stamp: 1_500_000_000_000_000), name: nil)
        FleetMessage.append(&output, SharedCall(key: 2, node: 7, stamp: 1_699_999_999_999_999), name: 0)
        output.append(0xABCD, count: 8)
        FleetMessage.end(&output, sentAt: 1_700_000_000_000_000, calls: 3, names: 1)
        return Array(output)
    }

    @Test func whatIsWrittenIsRead() throws {
        let bytes = Self.changes()
        #expect(bytes.count == 40 + 3 * 15 + 8 + 1)
        let message = try #require(FleetMessage(array: bytes))
        #expect(message.kind == .changes && message.epoch == 1_600_000_000_000_000 && message.sequence == 77)
        let first = try #require(message.call(0, array: bytes))
        #expect(first.key == 1 && first.name == 0 && first.hasMoved && first.stamp == 1_699_999_999_999_999)
        let second = try #require(message.call(1, array: bytes))
        #expect(
            second.key == .max && second.name == nil && !second.hasMoved && second.stamp == 1_500_000_000_000_000)
        #expect(message.call(2, array: bytes)?.name == 0 && message.call(2, array: bytes)?.hasMoved == false)
        #expect(message.call(3, array: bytes) == nil && message.call(-1, array: bytes) == nil)
        #expect(message.name(0, array: bytes) == 0xABCD && message.name(1, array: bytes) == 0)
    }

    @Test func recordsOfNodesAreRead() throws {
        var output = Scratch<UInt8>()
        FleetMessage.begin(&output, .greeting, epoch: 5, sequence: 1)
        let urls = ["udp:10.0.0.1:22222", ""]
        for (index, url) in urls.enumerated() {
            FleetNodeRecord(
                hash: UInt64(index) + 1, stamp: 8, isDisabled: index == 0, isDraining: index == 1,
                isInDoubt: index == 0,
                setID: 4_000_000_000
            ).append(to: &output, Array(url.utf8).span)
        }
        FleetMessage.end(&output, sentAt: 9, names: 2)
        let bytes = Array(output)
        #expect(FleetMessage(array: bytes)?.nameCount == 2)
        var offset = FleetMessage.headerSize
        let first = record(bytes, &offset)
        #expect(
            first?.hash == 1 && first?.isDisabled == true && first?.isDraining == false && first?.isInDoubt == true
                && first?.setID == 4_000_000_000)
        #expect(first?.url.count == 18)
        let second = record(bytes, &offset)
        #expect(
            second?.hash == 2 && second?.isDisabled == false && second?.isDraining == true
                && second?.url.isEmpty == true)
        let third = record(bytes, &offset)
        #expect(third == nil)
    }

    @Test func nothingThatIsCutOrLongerIsTaken() {
        let bytes = Self.changes()
        for count in 0..<bytes.count { #expect(FleetMessage(array: Array(bytes[..<count])) == nil) }
        #expect(FleetMessage(array: bytes + [0x2E]) == nil)
    }

    /// Of each byte, what may be there: a version, a kind, a count, a name that fits the rest.
    @Test func nothingThatDoesNotFitIsTaken() {
        let bytes = Self.changes()
        for place in [0, 1, 2, 3, 4, 5, 6, 7, 28, 29, 30, 31, bytes.count - 1] {
            for value in UInt8.min ... .max where value != bytes[place] {
                var other = bytes
                other[place] = value
                // A page looks the same.
                if place == 4, value == 4 { continue }
                #expect(FleetMessage(array: other) == nil, "\(place) \(value)")
            }
        }
        var other = bytes
        for value in UInt8(1)..<255 where value != 128 {
            other[40 + 14] = value
            #expect(FleetMessage(array: other)?.call(0, array: other) == nil)
        }
        other = bytes
        for place in 40..<48 { other[place] = 0 }
        #expect(FleetMessage(array: other)?.call(0, array: other) == nil)
        other = bytes
        for place in 8..<16 { other[place] = 0 }
        #expect(FleetMessage(array: other) == nil)
    }

    @Test func aMessageHasNoMoreThanFits() {
        var output = Scratch<UInt8>()
        var names = FleetNames()
        FleetMessage.begin(&output, .page, epoch: 1, sequence: 0)
        var count = 0
        while names.add(
            SharedCall(key: UInt64(count) + 1, node: count % 300, stamp: 2), to: &output, name: { UInt64($0) + 1 })
        { count += 1 }
        #expect(count == 127)
        // Nobody knows its node by a name.
        #expect(names.add(SharedCall(key: 8, node: 6, stamp: 2), to: &output, name: { _ in 0 }))
        #expect(names.calls == 127 && names.count == 127)
        while names.add(SharedCall(key: 9, node: 5, stamp: 2), to: &output, name: { UInt64($0) + 1 }) { count += 1 }
        names.append(to: &output)
        FleetMessage.end(&output, sentAt: 2, calls: count, names: names.count)
        #expect(output.count <= FleetMessage.mostBytes && output.count > FleetMessage.mostBytes - 64)
        #expect(FleetMessage(array: Array(output))?.callCount == count)
    }
}

extension FleetMessage {
    fileprivate init?(array: [UInt8]) { self.init(array.span) }

    fileprivate func call(_ index: Int, array: [UInt8]) -> (
        key: UInt64, name: Int?, hasMoved: Bool, stamp: UInt64
    )? {
        call(index, array.span)
    }

    fileprivate func name(_ index: Int, array: [UInt8]) -> UInt64 { name(index, array.span) }
}

private func record(_ bytes: [UInt8], _ offset: inout Int) -> FleetNodeRecord? { FleetNodeRecord(bytes.span, &offset) }
