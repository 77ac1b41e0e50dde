// SPDX-License-Identifier: GPL-2.0-or-later
// A fixed row of values that cannot be copied, such as sockets.

/// Elements by index, `[at: index]`. Whatever the index, nothing traps: for all that are outside one spare element stands
/// in, which callers keep out of use by asking `contains` first.
@safe
struct FixedArray<Element: ~Copyable>: ~Copyable {
    private let elements: UnsafeMutablePointer<Element>
    let count: Int

    init(count: Int, _ make: (Int) -> Element) {
        self.count = max(count, 0)
        // SAFETY: every element and the spare one are initialised here and deinitialised in deinit.
        // NO TRAP (2): count is at least 0, and there is one element more.
        unsafe elements = .allocate(capacity: self.count &+ 1)
        for index in 0...self.count { unsafe (elements + index).initialize(to: make(index)) }
    }

    deinit {
        // SAFETY: initialised in init, and nobody holds the pointer but this value.
        // NO TRAP: count is at least 0, and there is one element more.
        unsafe elements.deinitialize(count: count &+ 1)
        unsafe elements.deallocate()
    }

    func contains(_ index: Int) -> Bool { index >= 0 && index < count }

    /// Where an index leads: to its element, or to the spare one behind the last.
    private func place(_ index: Int) -> Int { contains(index) ? index : count }

    subscript(at index: Int) -> Element {
        // SAFETY: `place` is within the count + 1 elements that init has made, and the row is borrowed meanwhile.
        // NO TRAP (2): place() gives 0...count, all of which init has made.
        unsafeAddress { unsafe UnsafePointer(elements + place(index)) }
        unsafeMutableAddress { unsafe elements + place(index) }
    }
}
