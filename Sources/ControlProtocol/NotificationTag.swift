// SPDX-License-Identifier: GPL-2.0-or-later
// The tag that offers carry where the module listens for notifications itself: which call, and which of its streams.

package import Bytes

/// `<Call-ID>;<stream>`, the Call-ID URL-encoded on the way to RTPProxy (control-protocol: Timeout notification).
package enum NotificationTag {
    /// Adds the number of the stream to a Call-ID.
    static func append(stream: Int, to text: inout some ByteWriter) {
        text.append(UInt8(ascii: ";"))
        text.append(decimal: stream)
    }

    /// Takes apart what has come back. A tag without a stream's number is a Call-ID and nothing else.
    @_optimize(size)
    package static func split(_ tag: Span<UInt8>) -> (callID: ByteRange, stream: Int?) {
        var place = tag.count
        while place > 0, let byte = tag.byte(at: place &- 1), isDigit(byte) { place &-= 1 }
        let digits = ByteRange(from: place, to: tag.count)
        guard place > 1, tag.byte(at: place &- 1) == UInt8(ascii: ";"), digits.count <= 3,
            let stream = Decimal.parse(tag, digits, maximum: 999), stream > 0
        else { return (tag.all, nil) }
        return (ByteRange(from: 0, to: place &- 1), Int(widening: stream))
    }
}
