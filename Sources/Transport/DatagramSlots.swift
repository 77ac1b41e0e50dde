// SPDX-License-Identifier: GPL-2.0-or-later
// A fixed row of sockets, one per datagram node, each closed and opened on its own.

internal import Bytes

/// Sockets by node index. Whatever the index, nothing traps: where there is no socket, calls say `later`.
@safe
struct DatagramSlots<Calls: SystemCalls>: ~Copyable {
    private struct Slot: ~Copyable {
        var socket: DatagramSocket<Calls>?
        var address: SocketAddress?
    }

    private let slots: UnsafeMutableBufferPointer<Slot>

    init(count: Int) {
        // SAFETY: every element is initialised here and deinitialised in deinit, in between each is a whole Slot.
        unsafe slots = .allocate(capacity: max(count, 0))
        for index in 0..<max(count, 0) {
            unsafe slots.initializeElement(at: index, to: Slot(socket: nil, address: nil))
        }
    }

    deinit {
        // SAFETY: initialised in init, and nobody holds the pointer but this value.
        unsafe slots.deinitialize()
        unsafe slots.deallocate()
    }

    var count: Int { unsafe slots.count }

    private func isSlot(_ index: Int) -> Bool { index >= 0 && index < count }

    /// Sees to it that an open socket to `address` stands at `index`, without leftovers of earlier exchanges.
    mutating func open(_ index: Int, _ address: SocketAddress, _ buffer: inout [UInt8]) throws(SystemError) {
        guard isSlot(index) else { throw .invalid }
        // SAFETY: `index` was checked above.
        if unsafe slots[index].socket != nil, unsafe slots[index].address == address {
            unsafe slots[index].socket?.discardLeftovers(&buffer)
            return
        }
        close(index)
        unsafe slots[index].socket = try DatagramSocket(to: address)
        unsafe slots[index].address = address
    }

    mutating func close(_ index: Int) {
        guard isSlot(index) else { return }
        // SAFETY: `index` was checked above.
        unsafe slots[index].socket = nil
    }

    mutating func closeAll() {
        for index in 0..<count { close(index) }
    }

    /// The descriptor at `index`, -1 where none is open.
    func descriptor(_ index: Int) -> Int32 {
        guard isSlot(index) else { return -1 }
        // SAFETY: `index` was checked above.
        return unsafe slots[index].socket?.descriptor ?? -1
    }

    func send(_ index: Int, _ bytes: Span<UInt8>, _ range: ByteRange) -> Attempt {
        guard isSlot(index) else { return .later }
        // SAFETY: `index` was checked above.
        return unsafe slots[index].socket?.send(bytes, range) ?? .later
    }

    func receive(_ index: Int, _ buffer: inout [UInt8]) -> Attempt {
        guard isSlot(index) else { return .later }
        // SAFETY: `index` was checked above.
        return unsafe slots[index].socket?.receive(into: &buffer) ?? .later
    }
}
