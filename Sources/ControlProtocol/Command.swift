// SPDX-License-Identifier: GPL-2.0-or-later
// Commands as they go over the wire, without cookie and line end. Every argument has been checked before: no byte
// up to 0x20 and no 0x7F in it, so that none becomes two (control-protocol: words).

package import Bytes

/// Which session a command is about, as ranges of one buffer: the words of a message, checked and joined once.
package struct SessionWords: Sendable {
    /// Call-ID with what flags append to it.
    package var callID = ByteRange.empty
    /// The tag that goes first on the wire.
    package var firstTag = ByteRange.empty
    /// The tag that goes second; empty: none.
    package var secondTag = ByteRange.empty

    package init() {}

    /// The same session with its tags in the other order.
    package var swapped: SessionWords {
        var other = self
        (other.firstTag, other.secondTag) = (secondTag, firstTag)
        return other
    }
}

/// `U` or `L`.
package enum MediaVerb: Sendable {
    case update
    case lookup
}

/// Writers of commands, one per verb of the protocol page.
package enum Command {
    /// Whether `range` may stand in a command as one word: no byte that ends it, and not `&&`, behind which RTPProxy
    /// takes up another command (control-protocol: sub-commands; a real one answers `D call && tag` as if it were two).
    package static func isWord(_ bytes: Span<UInt8>, _ range: ByteRange) -> Bool {
        bytes.firstUnfitForWord(in: range) == nil && !bytes.equals(range, "&&")
    }

    /// `U<mods> callid address port tag;n[ tag;n][ socket tag]` (control-protocol: U, L).
    ///
    /// `words` are ranges of `identity`; `notification` is `socket tag` or empty, and only `U` takes one. With
    /// `tagNamesStream` the tag is a Call-ID, and the number of the stream joins it.
    @inline(never)
    package static func writeMedia(
        _ verb: MediaVerb, modifiers: Span<UInt8>, identity: Span<UInt8>, words: SessionWords,
        address: Span<UInt8>, addressRange: ByteRange, port: UInt16, stream: Int, notification: Span<UInt8>,
        tagNamesStream: Bool = false, into text: inout some ByteWriter
    ) {
        let wantsNotification = verb == .update && !notification.isEmpty
        text.append(verb == .update ? UInt8(ascii: "U") : UInt8(ascii: "L"))
        text.append(modifiers)
        text.append(0x20)
        text.append(identity, words.callID)
        text.append(0x20)
        text.append(address, addressRange)
        text.append(0x20)
        text.append(decimal: UInt64(widening: port))
        writeTags(identity, words, stream: stream, into: &text)
        if wantsNotification {
            text.append(0x20)
            text.append(notification)
        }
        if wantsNotification, tagNamesStream { NotificationTag.append(stream: stream, to: &text) }
    }

    /// `D callid tag[;n][ tag[;n]]` (control-protocol: D); without `stream` it is about all of them.
    package static func writeDelete(
        identity: Span<UInt8>, words: SessionWords, stream: Int? = nil, into text: inout some ByteWriter
    ) {
        text.append("D ")
        text.append(identity, words.callID)
        writeTags(identity, words, stream: stream, into: &text)
    }

    /// `Q callid tag;n[ tag;n]` (control-protocol: Q).
    package static func writeQuery(
        identity: Span<UInt8>, words: SessionWords, stream: Int = 1, into text: inout some ByteWriter
    ) {
        text.append("Q ")
        text.append(identity, words.callID)
        writeTags(identity, words, stream: stream, into: &text)
    }

    /// `Qv callid tag;n tag;n name...` (control-protocol: Q), at most 11 `figures`. The second tag has to be there, as
    /// the names stand behind it.
    package static func writeQuery(
        _ figures: FigureSet, identity: Span<UInt8>, words: SessionWords, stream: Int, into text: inout some ByteWriter
    ) {
        text.append("Qv ")
        text.append(identity, words.callID)
        writeTags(identity, words, stream: stream, into: &text)
        for place in 0..<Figure.count {
            guard let figure = Figure(rawValue: place), figures.contains(figure) else { continue }
            text.append(0x20)
            text.append(figure.name)
        }
    }

    /// `P<count> callid prompt session tag;1[ tag;1]` (control-protocol: P); `count` -1 plays without end.
    package static func writePlay(
        count: Int, prompt: Span<UInt8>, identity: Span<UInt8>, words: SessionWords, into text: inout some ByteWriter
    ) {
        text.append("P")
        text.append(decimal: count)
        text.append(0x20)
        text.append(identity, words.callID)
        text.append(0x20)
        text.append(prompt)
        text.append(" session")
        writeTags(identity, words, stream: 1, into: &text)
    }

    /// `S callid tag;1[ tag;1]` (control-protocol: S).
    package static func writeStop(identity: Span<UInt8>, words: SessionWords, into text: inout some ByteWriter) {
        text.append("S ")
        text.append(identity, words.callID)
        writeTags(identity, words, stream: 1, into: &text)
    }

    /// `R callid tag[ tag]` (control-protocol: R).
    package static func writeRecord(identity: Span<UInt8>, words: SessionWords, into text: inout some ByteWriter) {
        text.append("R ")
        text.append(identity, words.callID)
        writeTags(identity, words, stream: nil, into: &text)
    }

    private static func writeTags(
        _ identity: Span<UInt8>, _ words: SessionWords, stream: Int?, into text: inout some ByteWriter
    ) {
        writeTag(identity, words.firstTag, stream: stream, into: &text)
        if !words.secondTag.isEmpty { writeTag(identity, words.secondTag, stream: stream, into: &text) }
    }

    private static func writeTag(
        _ identity: Span<UInt8>, _ tag: ByteRange, stream: Int?, into text: inout some ByteWriter
    ) {
        text.append(0x20)
        text.append(identity, tag)
        if let stream {
            text.append(UInt8(ascii: ";"))
            // The number of a stream, which is not negative.
            text.append(decimal: UInt64(widening: stream.magnitude))
        }
    }
}
