// SPDX-License-Identifier: GPL-2.0-or-later
// Finding the session description in a SIP body.

public import Bytes

/// Why a SIP body holds no session description.
public enum BodyFault: Error, Equatable, Sendable, CaseIterable {
    /// There is no body, or the part that should hold the SDP is empty.
    case empty
    /// Content-Length is negative, 0, or more than what is there.
    case lengthDoesNotFit
    /// The body is neither `application/sdp` nor `multipart/*`.
    case notSDP
    /// The body is `multipart/*` and its Content-Type names no boundary.
    case noBoundary
    /// No part of the multipart body is `application/sdp`.
    case noSDPPart

    /// The reason for a log line.
    public var text: StaticString {
        switch self {
        case .empty: "the body is empty"
        case .lengthDoesNotFit: "Content-Length does not fit the body"
        case .notSDP: "the body is neither application/sdp nor multipart"
        case .noBoundary: "the multipart body has no boundary parameter"
        case .noSDPPart: "no part of the multipart body is application/sdp"
        }
    }
}

/// Finds the part of a SIP body that is the session description.
public enum BodyPart {
    /// How many multipart bodies may stand inside each other.
    public static let maximumDepth = 3

    /// The range of the session description in `body`, which is all that stands behind the headers.
    ///
    /// - `contentType`: the value of that header; nil: there is none, and the body counts as SDP.
    /// - `contentLength`: the value of that header; nil: there is none. What goes beyond it is not the body.
    ///
    /// In `multipart/*` (RFC 2046 section 5.1) it is the first part of type `application/sdp`, outer ones looked
    /// into in order, without the line end that belongs to the boundary behind it.
    public static func find(
        in body: Span<UInt8>, contentType: Span<UInt8>?, contentLength: Int?
    ) throws(BodyFault) -> ByteRange {
        guard !body.isEmpty else { throw .empty }
        let length = contentLength ?? body.count
        guard length > 0, length <= body.count else { throw .lengthDoesNotFit }
        let whole = ByteRange(start: 0, count: length)
        guard let contentType else { return whole }

        let type = ContentType(contentType, contentType.all)
        if type.isSDP(contentType) { return whole }
        guard type.isMultipart(contentType) else { throw .notSDP }
        guard let boundary = type.boundary(contentType) else { throw .noBoundary }
        guard let part = firstSDP(in: body, whole, boundary: boundary, of: contentType, depth: maximumDepth)
        else { throw .noSDPPart }
        guard !part.isEmpty else { throw .empty }
        return part
    }
}
