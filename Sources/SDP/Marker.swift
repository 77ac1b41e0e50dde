// SPDX-License-Identifier: GPL-2.0-or-later
// The line that says that a proxy has changed this session description already.

package import Bytes

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
    package static func carriesMarker(_ body: Span<UInt8>, _ range: ByteRange, marker: Span<UInt8>) -> Bool {
        guard !marker.isEmpty else { return false }
        let inside = body.clamped(range)
        var lines = LineCursor(in: inside)
        while let line = lines.next(in: body) {
            if begins(body, at: line.content.start, upTo: inside.end, marker) { return true }
        }
        return false
    }

    /// Whether `marker` stands at `offset`, before `end`.
    static func begins(_ body: Span<UInt8>, at offset: Int, upTo end: Int, _ marker: Span<UInt8>) -> Bool {
        let start = ByteRange(start: offset, count: marker.count)
        return start.end <= end && body.equals(start, marker, marker.all)
    }
}

/// What lines begin with, as words of eight bytes, the first one lowest.
struct LineStart {
    /// `a=`
    static var attribute: UInt64 { 0x3D61 }
    /// `candid`, of `candidate:`
    static var candidate: UInt64 { 0x6469_646E_6163 }
    /// `rtcp`
    static var rtcp: UInt64 { 0x7063_7472 }
    /// What makes small letters of four capitals.
    static var smallLetters: UInt64 { 0x2020_2020 }

    /// Whether a line has begun with the marker.
    private(set) var isFound = false
    private let word: UInt64
    private let mask: UInt64

    /// Looks for `marker`, unless it is empty.
    init(of marker: Span<UInt8>) {
        var word: UInt64 = 0
        var mask: UInt64 = 0
        for place in 0..<8 {
            guard let byte = marker.byte(at: place) else { break }
            word |= UInt64(byte) &<< UInt64(truncatingIfNeeded: 8 &* place)
            mask |= 0xFF &<< UInt64(truncatingIfNeeded: 8 &* place)
        }
        // For an empty one no line is worth a closer look, unless it is eight such bytes.
        self.word = mask == 0 ? .max : word
        self.mask = mask == 0 ? .max : mask
    }

    /// Looks at the line at `offset` that begins with `word`; 0 says that fewer than eight bytes are left.
    @inline(__always)
    mutating func look(_ body: Span<UInt8>, at offset: Int, _ word: UInt64, upTo end: Int, _ marker: Span<UInt8>) {
        guard (word ^ self.word) & mask == 0 || word == 0 else { return }
        if !marker.isEmpty, SessionDescription.begins(body, at: offset, upTo: end, marker) { isFound = true }
    }
}
