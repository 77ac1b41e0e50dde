// SPDX-License-Identifier: GPL-2.0-or-later
// The line that says that a proxy has changed this session description already.

public import Bytes

extension SessionDescription {
    /// Whether a line in `range` of `body` is `marker`, which is given without its line end. The whole line has to be:
    /// a line that merely begins with the marker is another attribute. False for an empty marker.
    public static func carriesMarker(_ body: Span<UInt8>, _ range: ByteRange, marker: Span<UInt8>) -> Bool {
        guard !marker.isEmpty else { return false }
        let inside = body.clamped(range)
        var lines = LineCursor(in: inside)
        while let line = lines.next(in: body) {
            let candidate = ByteRange(start: line.content.start, count: marker.count)
            guard candidate.end <= inside.end, body.equals(candidate, marker, marker.all) else { continue }
            // A marker of several lines ends somewhere else than the line it begins on.
            let next = candidate.end < inside.end ? body.byte(at: candidate.end) : nil
            guard let next else { return true }
            if next == 0x0A { return true }
            let afterNext = candidate.end &+ 1 < inside.end ? body.byte(at: candidate.end &+ 1) : nil
            if next == 0x0D, afterNext == 0x0A { return true }
        }
        return false
    }
}
