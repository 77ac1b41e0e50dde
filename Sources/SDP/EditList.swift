// SPDX-License-Identifier: GPL-2.0-or-later
// What is to be changed in a body: ranges and their replacements.

package import Bytes

/// Replace `removed` bytes at `offset` of the body with `text` of the list's own text.
package struct Edit: Equatable, Sendable, BitwiseCopyable {
    /// Offset in the body.
    package let offset: Int
    /// Number of bytes that go, 0 for an insertion.
    package let removed: Int
    /// The bytes that come, as a range of `EditList.text`.
    package let text: ByteRange
}

/// The edits of one body: sorted, without overlap and without two that touch, inside the session description, and
/// none that changes nothing. Scratch memory that is used again for each body.
package struct EditList: ~Copyable {
    /// In the order of the body.
    package private(set) var edits = Scratch<Edit>()
    /// The bytes of all replacements, one behind the other.
    package private(set) var text = Scratch<UInt8>()

    /// An empty list, with room for an ordinary body's edits.
    package init() {
        edits.reserveCapacity(64)
        text.reserveCapacity(2048)
    }

    /// No edits.
    package mutating func removeAll() {
        edits.clear()
        text.clear()
    }

    /// Replaces `range` of `body`, which lies behind all edits so far, with what `write` adds to the text.
    mutating func replace(_ body: Span<UInt8>, _ range: ByteRange, with write: (inout Scratch<UInt8>) -> Void) {
        let start = text.count
        write(&text)
        let added = ByteRange(from: start, to: text.count)
        if body.equals(range, text.memory.span, added) {
            // NO TRAP: write only adds, so the text is at least as long as what it added.
            text.removeLast(added.count)
        } else if let last = edits.last, last.offset &+ last.removed == range.start {
            let removed = ByteRange(from: last.offset, to: range.end)
            let both = ByteRange(from: last.text.start, to: added.end)
            if body.equals(removed, text.memory.span, both) {
                // NO TRAP (2): edits.last is there, and the text is at least as long as what both have added.
                edits.removeLast()
                text.removeLast(both.count)
            } else {
                // NO TRAP: edits.last is there.
                edits[edits.count &- 1] = Edit(offset: last.offset, removed: removed.count, text: both)
            }
        } else {
            edits.append(Edit(offset: range.start, removed: range.count, text: added))
        }
    }
}
