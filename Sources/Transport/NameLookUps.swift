// SPDX-License-Identifier: GPL-2.0-or-later
// Looks names of nodes up, without a process that waits for the name service.

internal import Bytes
private import CPosix

/// How a look-up ended.
package enum LookUpResult: Equatable, Sendable {
    /// At least one, each once, in the order of the system's resolver.
    case addresses([SocketAddress])
    case failed(ResolveError)
}

/// A host that is being looked up.
@safe
struct NameLookUp: ~Copyable {
    private let pointer: OpaquePointer

    /// Nil where there is no memory or no thread for it.
    init?(_ bytes: Span<UInt8>, _ url: NodeURL, signal: Int32) {
        let host = bytes.clamped(url.target)
        let kind = url.scheme.isIPv6 ? CPOSIX_IPV6 : CPOSIX_IPV4
        // SAFETY: `host` lies within `bytes`, as clamped(_:) upholds; the callee copies it.
        let started = unsafe bytes.withUnsafeBufferPointer { text in
            // NO TRAP: 4 or 6, and a range that clamped() keeps within the text.
            unsafe cposix_lookup_start(
                text.baseAddress.map { unsafe $0 + host.start }, host.count, url.port, Int32(kind), signal)
        }
        guard let started = unsafe started else { return nil }
        unsafe pointer = started
    }

    // SAFETY: made in init, and nobody else releases it.
    deinit { unsafe cposix_lookup_release(pointer) }

    /// Nil while it is under way.
    var result: LookUpResult? {
        // SAFETY: `pointer` is whole until deinit, and what the thread wrote is read behind its end alone.
        guard unsafe cposix_lookup_is_over(pointer) else { return nil }
        // NO TRAP: a small constant of the C header.
        var words = [cposix_address](repeating: cposix_address(), count: Int(CPOSIX_MOST_ADDRESSES))
        var found = 0
        // SAFETY: the array has room for as many addresses as there can be.
        let code = unsafe words.withUnsafeMutableBufferPointer {
            unsafe cposix_lookup_result(pointer, $0.baseAddress, &found)
        }
        guard code == 0 else { return .failed(ResolveError(code: code)) }
        var addresses: [SocketAddress] = []
        // NO TRAP: the callee counts up from 0.
        for word in words.prefix(found) {
            if let address = SocketAddress(words: (word.words.0, word.words.1, word.words.2)) {
                addresses.append(address)
            }
        }
        return addresses.isEmpty ? .failed(.notFound) : .addresses(addresses)
    }
}

/// A place for the look-up of one node.
struct LookUpSlot: ~Copyable {
    var lookUp: NameLookUp?

    var isUnderWay: Bool {
        switch lookUp {
        case .some: true
        case nil: false
        }
    }

    var result: LookUpResult? {
        switch lookUp {
        case .some(let lookUp): lookUp.result
        case nil: nil
        }
    }
}

/// The places of all nodes.
struct LookUpSlots: ~Copyable {
    var slots: FixedArray<LookUpSlot>
    var count = 0

    init(nodes: Int) { slots = FixedArray(count: nodes) { _ in LookUpSlot() } }
}

/// The look-ups of one process, one for each node at a time.
///
/// Each is a call of the system's resolver on a thread of its own, so that it finds what every other program on the host
/// finds (files, DNS and whatever else nsswitch.conf names) and a name server that hangs holds up that name alone.
package struct NameLookUps: ~Copyable {
    /// Threads at once; the names beyond have their turn when one has ended.
    package static let maximum = 64

    /// Sent when a look-up is over.
    package let signal: WakeSignal
    private var all: Allocated<LookUpSlots>

    /// For `nodes` nodes, numbered from 0. Without a descriptor for the signal, results wait until they are asked for.
    package init(nodes: Int) {
        signal = WakeSignal() ?? WakeSignal(inherited: -1)
        all = Allocated(LookUpSlots(nodes: nodes))
    }

    /// Whether the name of `node` is being looked up.
    package func isUnderWay(_ node: Int) -> Bool {
        all.value.slots.contains(node) && all.value.slots[at: node].isUnderWay
    }

    /// Begins to look up the host of `url`, parsed from the beginning of `bytes`, for `node`. False where that is not
    /// possible now, or under way already.
    package mutating func start(_ node: Int, _ bytes: Span<UInt8>, _ url: NodeURL) -> Bool {
        guard all.value.slots.contains(node), !isUnderWay(node), all.value.count < Self.maximum, !url.scheme.isUnix
        else { return false }
        all.value.slots[at: node].lookUp = NameLookUp(bytes, url, signal: signal.descriptor)
        guard isUnderWay(node) else { return false }
        all.value.count &+= 1
        return true
    }

    /// What the look-up for `node` has come to, once; nil where none has ended.
    package mutating func takeResult(_ node: Int) -> LookUpResult? {
        guard all.value.slots.contains(node), let result = all.value.slots[at: node].result else { return nil }
        forget(node)
        return result
    }

    /// The result of the look-up for `node` is no longer wanted.
    package mutating func forget(_ node: Int) {
        guard isUnderWay(node) else { return }
        all.value.slots[at: node].lookUp = nil
        all.value.count &-= 1
    }
}
