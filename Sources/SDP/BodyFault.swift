// SPDX-License-Identifier: GPL-2.0-or-later
// Why a SIP body holds no session description that can be changed, and on which line.

internal import Bytes

/// Why a SIP body holds no session description, or none that all readers find.
package enum BodyError: Error, Equatable, Sendable, CaseIterable {
    /// There is no body, or the part that should hold the SDP is empty.
    case empty
    /// Content-Length is negative, 0, or more than what is there.
    case lengthDoesNotFit
    /// The body is neither `application/sdp` nor `multipart/*`.
    case notSDP
    /// The body is `multipart/*` and its Content-Type names no boundary, or one that can be read in several ways.
    case noBoundary
    /// No part of the multipart body is `application/sdp`.
    case noSDPPart
    /// More than one part is `application/sdp`.
    case secondSDPPart
    /// A line that is a delimiter to some readers alone: it goes on behind the boundary, stands behind a CR without LF,
    /// or behind the closing delimiter (RFC 2046 section 5.1.1).
    case badDelimiter
    /// The headers of a part hold a control character, a CR without LF, several Content-Types, or a transfer encoding of
    /// the SDP.
    case badPartHeaders
    /// Multipart bodies stand inside each other more than `BodyPart.maximumDepth` deep.
    case nestedTooDeep

    /// The reason for a log line.
    package var text: StaticString {
        switch self {
        case .empty: "the body is empty"
        case .lengthDoesNotFit: "Content-Length does not fit the body"
        case .notSDP: "the body is neither application/sdp nor multipart"
        case .noBoundary: "the multipart body has no boundary parameter that all readers read alike"
        case .noSDPPart: "no part of the multipart body is application/sdp"
        case .secondSDPPart: "a second part is application/sdp"
        case .badDelimiter: "a line of the multipart body is a delimiter for some readers only"
        case .badPartHeaders: "the headers of a part can be read in several ways"
        case .nestedTooDeep: "multipart bodies are nested too deep"
        }
    }

    /// Whether it says that the body holds no SDP, rather than SDP that cannot be told for sure.
    package var deniesSDP: Bool {
        switch self {
        case .empty, .lengthDoesNotFit, .notSDP, .noBoundary, .noSDPPart: true
        case .secondSDPPart, .badDelimiter, .badPartHeaders, .nestedTooDeep: false
        }
    }
}

/// What is wrong with a body, and where.
package struct BodyFault: Error, Equatable, Sendable {
    /// What is wrong.
    package let reason: BodyError
    /// The line, counted from 1 at the start of the body; 0: the whole of it.
    package let line: Int

    /// A fault on `line`, or in the whole where none is given.
    package init(_ reason: BodyError, line: Int = 0) {
        self.reason = reason
        self.line = line
    }

    /// A fault on the line of `body` that holds `offset`.
    init(_ reason: BodyError, in body: Span<UInt8>, at offset: Int) {
        var lines = LineCursor(in: ByteRange(from: 0, to: offset))
        var line = 1
        while let before = lines.next(in: body), body.byte(at: before.next &- 1) == 0x0A { line = before.number &+ 1 }
        self.init(reason, line: line)
    }
}
