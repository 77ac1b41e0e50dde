// SPDX-License-Identifier: GPL-2.0-or-later
// Whose place a new connection takes at a listener that is full, or where its source has had its share.

import Testing

@testable import Transport

@Suite final class ListenerPlacesTests {
    private static let local = ListenerSource(words: (0, 0, 0))
    private var places = ListenerPlaces(count: 64)

    /// The n-th IPv4 address, any port.
    private func host(_ number: UInt64, port: UInt64 = 0) -> ListenerSource {
        ListenerSource(words: (4 | port << 16, 0x0A00_0000 | number, 0))
    }

    @discardableResult
    private func connect(_ source: ListenerSource, delivers: Bool = false) -> Int {
        let place = places.place(for: source)
        places.close(place)
        places.open(place, source)
        if delivers { places.noteDelivery(place) }
        return place
    }

    @Test func eachHasAPlaceOfItsOwnWhileThereAreAny() {
        #expect((0..<64).map { connect(host($0)) } == Array(0..<64))
    }

    @Test func aSourceHasSixteenAndThenItsOwnGiveWay() {
        for port in 0..<16 { connect(host(1, port: UInt64(port))) }
        connect(host(2))
        places.hear(0)
        // The one that was silent longest, whatever room there is elsewhere.
        #expect(connect(host(1)) == 1)
        #expect(connect(host(1)) == 2)
        #expect(connect(host(3)) == 17)
    }

    @Test func ofANetworkOfIPv6TheFirstHalfCounts() {
        for number: UInt64 in 0..<16 { connect(ListenerSource(words: (6, 0x2001_0DB8_0000_0001, number))) }
        #expect(connect(ListenerSource(words: (6, 0x2001_0DB8_0000_0001, 99))) == 0)
        #expect(connect(ListenerSource(words: (6, 0x2001_0DB8_0000_0002, 0))) == 16)
    }

    @Test func aUnixSocketHasNoShare() {
        #expect((0..<64).map { _ in connect(Self.local) } == Array(0..<64))
        places.noteDelivery(0)
        #expect(connect(Self.local) == 1)
    }

    @Test func whoHasDeliveredStaysWhenOthersHaveToGo() {
        let relay = connect(host(1), delivers: true)
        for number in 0..<1000 { #expect(connect(host(100 + UInt64(number))) != relay) }
        // Also among its own.
        for port in 0..<100 { #expect(connect(host(1, port: UInt64(port))) != relay) }
    }

    @Test func whereAllHaveDeliveredTheLargestCrowdGivesWay() {
        for number in 0..<48 { connect(host(100 + UInt64(number)), delivers: true) }
        for _ in 0..<16 { connect(host(1), delivers: true) }
        #expect(connect(host(2)) == 48)
    }
}
