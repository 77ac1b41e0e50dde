// SPDX-License-Identifier: GPL-2.0-or-later
// Which connection is closed where more connect to a listener than there is room for. No socket in here.

/// Where a connection comes from, as far as that is counted.
struct ListenerSource: Equatable {
    private let kind: UInt64
    private let network: UInt64

    /// From the words of an address (see `SocketAddress`), or from three zeros for a unix socket. Of an IPv6 address
    /// the first 64 bits: a host can choose the rest.
    init(words: (UInt64, UInt64, UInt64)) {
        kind = words.0 & 0xFF
        network = words.1
    }

    /// Whether it is this host by a unix socket: who may connect is up to the file.
    var isLocal: Bool { kind == 0 }
}

/// The places of a listener's connections.
///
/// A source has a share of them. Where that is used up, or all are taken, the new connection takes the place of one
/// that has not delivered anything yet, of these the one that has been silent longest; where all have delivered, of the
/// source that has the most. So neither half-open connections nor a flood from one source displace other connections
/// that have delivered.
struct ListenerPlaces {
    /// Connections of one source at once.
    static let perSource = 16

    private struct Place {
        var source: ListenerSource?
        var hasDelivered = false
        /// The order in which connections sent something last: growing numbers, because many may send at the same
        /// moment.
        var heardAs: UInt64 = 0
    }

    private var places: [Place]
    private var order: UInt64 = 0

    init(count: Int) { places = [Place](repeating: Place(), count: count) }

    /// The place for a connection from `source`. A connection that has it is to be closed.
    @_optimize(size)
    func place(for source: ListenerSource) -> Int {
        let mates = source.isLocal ? 0 : count(of: source)
        if mates >= Self.perSource { return leastMissed { $0 == source } }
        // NO TRAP: index runs over the places' own indices.
        for index in places.indices where places[index].source == nil { return index }
        guard !places.allSatisfy({ $0.hasDelivered }) else {
            let largest = places.compactMap({ $0.source }).max { count(of: $0) < count(of: $1) }
            return leastMissed { $0 == largest }
        }
        return leastMissed { _ in true }
    }

    private func count(of source: ListenerSource) -> Int {
        var count = 0
        for place in places where place.source == source { count &+= 1 }
        return count
    }

    /// Of the connections from such a source, the one to close first.
    @_optimize(size)
    private func leastMissed(_ isMeant: (ListenerSource) -> Bool) -> Int {
        var found = 0
        var best: Place?
        for index in places.indices {
            // NO TRAP (4): index runs over the places' own indices.
            guard let source = places[index].source, isMeant(source) else { continue }
            if let best {
                guard
                    places[index].hasDelivered == best.hasDelivered
                        ? places[index].heardAs < best.heardAs : best.hasDelivered
                else { continue }
            }
            best = places[index]
            found = index
        }
        return found
    }

    /// Notes a connection from `source` at `index`.
    mutating func open(_ index: Int, _ source: ListenerSource) {
        guard places.indices.contains(index) else { return }
        // NO TRAP: checked just before: it is one of the places' indices.
        places[index] = Place(source: source)
        hear(index)
    }

    /// Something has come on the connection at `index`.
    mutating func hear(_ index: Int) {
        guard places.indices.contains(index) else { return }
        order &+= 1
        // NO TRAP: checked just before: it is one of the places' indices.
        places[index].heardAs = order
    }

    /// Notes that the connection at `index` has delivered.
    mutating func noteDelivery(_ index: Int) {
        if places.indices.contains(index) { places[index].hasDelivered = true }
    }

    /// The connection at `index` is gone.
    mutating func close(_ index: Int) {
        if places.indices.contains(index) { places[index] = Place() }
    }
}
