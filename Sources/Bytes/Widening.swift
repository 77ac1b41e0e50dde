// SPDX-License-Identifier: GPL-2.0-or-later
// Integers that become wider: whatever their value, it fits, so that nothing here can trap.
//
// What `UInt64(_:)` of any integer is asked to hold shows only at run time. There is no `UInt64(widening:)` of what could
// be negative, so that one which could trap does not compile. An Int has 64 bits, or this file does not compile.

#if _pointerBitWidth(_64)
    extension UInt64 {
        /// The same value.
        @inline(__always)
        package init(widening value: UInt8) { self.init(truncatingIfNeeded: value) }

        /// The same value.
        @inline(__always)
        package init(widening value: UInt16) { self.init(truncatingIfNeeded: value) }

        /// The same value.
        @inline(__always)
        package init(widening value: UInt32) { self.init(truncatingIfNeeded: value) }

        /// The same value.
        @inline(__always)
        package init(widening value: UInt) { self.init(truncatingIfNeeded: value) }
    }

    extension Int {
        /// The same value.
        @inline(__always)
        package init(widening value: UInt8) { self.init(truncatingIfNeeded: value) }

        /// The same value.
        @inline(__always)
        package init(widening value: UInt16) { self.init(truncatingIfNeeded: value) }

        /// The same value.
        @inline(__always)
        package init(widening value: UInt32) { self.init(truncatingIfNeeded: value) }

        /// The same value.
        @inline(__always)
        package init(widening value: Int32) { self.init(truncatingIfNeeded: value) }

        /// The same value.
        @inline(__always)
        package init(widening value: Int64) { self.init(truncatingIfNeeded: value) }
    }

    extension Int64 {
        /// The same value.
        @inline(__always)
        package init(widening value: UInt32) { self.init(truncatingIfNeeded: value) }

        /// The same value.
        @inline(__always)
        package init(widening value: Int) { self.init(truncatingIfNeeded: value) }
    }

    extension UInt {
        /// The same value.
        @inline(__always)
        package init(widening value: UInt64) { self.init(truncatingIfNeeded: value) }
    }

    extension UInt32 {
        /// The same value.
        @inline(__always)
        package init(widening value: UInt8) { self.init(truncatingIfNeeded: value) }
    }
#endif
