// SPDX-License-Identifier: GPL-2.0-or-later
// What a rewrite may change, noted while parsing.

internal import Bytes

/// A place of the body that a rewrite may change. Places are noted in the order in which they stand in the body.
enum Place {
    /// Family and address of an `o=` line of a session.
    case origin(session: Int, ConnectionField)
    /// A `c=` line of a session.
    case sessionConnection(session: Int, ConnectionField)
    /// A `c=` line of a media stream.
    case streamConnection(stream: Int, ConnectionField)
    /// The offset where a media stream's `c=` belongs: behind its `m=` and `i=` (RFC 8866 section 5).
    case newConnection(stream: Int, at: Int)
    /// The port of an `m=` line, with its `/<n>`.
    case port(stream: Int, ByteRange)
    /// What stands behind the colon of an `a=rtcp:` line.
    case rtcp(stream: Int, ByteRange)
    /// The offset behind an `a=candidate:` line, its line end included; the stream's last one counts.
    case candidates(stream: Int, behind: Int)

    /// An offset in the body, in the line of what is changed or before the one that is added.
    var offset: Int {
        switch self {
        case .origin(_, let field), .sessionConnection(_, let field), .streamConnection(_, let field):
            field.familyToken.start
        case .newConnection(_, let offset), .candidates(_, let offset): offset
        case .port(_, let range): range.start
        // An empty one may stand at the very end.
        case .rtcp(_, let range): range.start &- 1
        }
    }
}

/// What the media streams of one session share.
struct Session {
    /// The first `c=` line before the first `m=`.
    var connection: ConnectionField?
    /// The line of its `v=`, from 1.
    let line: Int
    /// Index of the session's first media stream.
    var firstStream: Int?
}
