// SPDX-License-Identifier: GPL-2.0-or-later
// One value that cannot be copied, in memory of its own.

/// Keeps a value's layout out of the types that hold it: an incremental build that changes only what is internal to this
/// module does not compile those again, and they would go on with the old layout.
@safe
struct Allocated<Value: ~Copyable>: ~Copyable {
    private let place: UnsafeMutablePointer<Value>

    init(_ value: consuming Value) {
        // SAFETY: initialised here and deinitialised in deinit, in between it is a whole Value.
        // NO TRAP: one value, made in init and unmade in deinit.
        unsafe place = .allocate(capacity: 1)
        unsafe place.initialize(to: value)
    }

    deinit {
        // SAFETY: initialised in init, and nobody holds the pointer but this value.
        // NO TRAP: one value, made in init and unmade in deinit.
        unsafe place.deinitialize(count: 1)
        unsafe place.deallocate()
    }

    var value: Value {
        // SAFETY: initialised in init, and the box is borrowed meanwhile.
        unsafeAddress { unsafe UnsafePointer(place) }
        unsafeMutableAddress { unsafe place }
    }
}
