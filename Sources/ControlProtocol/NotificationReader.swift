// SPDX-License-Identifier: GPL-2.0-or-later
// Notifications of media that has stopped, as RTPProxy writes them (control-protocol: Timeout notification).

package import Bytes

/// Takes the bytes of one connection in pieces of any size, and gives the tags in them: one a line, ended by LF or CRLF.
package struct NotificationReader: Sendable {
    /// The longest line that is taken, in bytes; RTPProxy's commands are 8191 bytes long, and a tag is one word of one.
    package static let maximumLength = 1024
    private var line: [UInt8] = []

    /// What came of some bytes.
    package enum Progress: Sendable {
        /// All were read.
        case going
        /// A line is longer than `maximumLength`: this is no RTPProxy.
        case tooLong
    }

    package init() {}

    /// Whether a line has begun that has not ended.
    package var isInside: Bool { !line.isEmpty }

    /// Reads `range` of `bytes`. `found` gets each tag; what is no word of the protocol is left out: empty lines, and
    /// lines with a blank or control character.
    @_optimize(size)
    package mutating func read(_ bytes: Span<UInt8>, _ range: ByteRange, _ found: (Span<UInt8>) -> Void) -> Progress {
        let inside = bytes.clamped(range)
        // NO TRAP (3): inside comes from clamped(): start <= end, both within the bytes.
        for index in inside.start..<inside.end {
            guard bytes[index] == UInt8(ascii: "\n") else {
                guard line.count < Self.maximumLength else { return .tooLong }
                line.append(bytes[index])
                continue
            }
            // NO TRAP: there is a last one, just compared.
            if line.last == UInt8(ascii: "\r") { line.removeLast() }
            let tag = line
            line.removeAll(keepingCapacity: true)
            if !tag.isEmpty, tag.span.firstUnfitForWord(in: tag.span.all) == nil { found(tag.span) }
        }
        return .going
    }
}
