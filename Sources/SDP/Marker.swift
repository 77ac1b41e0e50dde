// SPDX-License-Identifier: GPL-2.0-or-later
// The line that says that a proxy has changed this session description already.

public import Bytes

extension SessionDescription {
    /// Offset behind the last line of `range` that is not empty: where a further line belongs. Empty lines at the end,
    /// as some user agents send them, stay behind it, for a reader may stop at them.
    static func endOfLastLine(_ body: Span<UInt8>, _ range: ByteRange) -> Int {
        let inside = body.clamped(range)
        var end = inside.end
        while end > inside.start, body.byte(at: end &- 1) == 0x0A {
            var content = end &- 1
            while content > inside.start, body.byte(at: content &- 1) == 0x0D { content &-= 1 }
            guard content > inside.start, body.byte(at: content &- 1) == 0x0A else { break }
            end = content
        }
        return end
    }

    /// Whether a line in `range` of `body` begins with `marker`, which is given without its line end; false for an
    /// empty one. What follows on that line does not matter: an attribute that goes on is still a proxy's mark.
    public static func carriesMarker(_ body: Span<UInt8>, _ range: ByteRange, marker: Span<UInt8>) -> Bool {
        guard !marker.isEmpty else { return false }
        let inside = body.clamped(range)
        var lines = LineCursor(in: inside)
        while let line = lines.next(in: body) {
            let start = ByteRange(start: line.content.start, count: marker.count)
            if start.end <= inside.end, body.equals(start, marker, marker.all) { return true }
        }
        return false
    }
}
