// SPDX-License-Identifier: GPL-2.0-or-later
// Finding the session description in a SIP body.

package import Bytes

/// Finds the part of a SIP body that is the session description.
package enum BodyPart {
    /// How many multipart bodies may stand inside each other.
    package static let maximumDepth = 3

    /// The range of the session description in `body`, which is all that stands behind the headers.
    ///
    /// - `contentType`: the value of that header; nil: there is none, and the body counts as SDP.
    /// - `contentLength`: the value of that header; nil: there is none. What a datagram holds beyond it belongs to the
    ///   body: it is sent on, and a new length counts it.
    ///
    /// In `multipart/*` (RFC 2046 section 5.1) it is the only part of type `application/sdp`, at whatever depth, without
    /// the line end that belongs to the boundary behind it. What a lax reader may take for another such part is a fault:
    /// a further delimiter, a further type, a boundary that can be read in two ways.
    package static func find(
        in body: Span<UInt8>, contentType: Span<UInt8>?, contentLength: Int?
    ) throws(BodyFault) -> ByteRange {
        guard !body.isEmpty else { throw BodyFault(.empty) }
        let length = contentLength ?? body.count
        guard length > 0, length <= body.count else { throw BodyFault(.lengthDoesNotFit) }
        let whole = body.all
        guard let contentType else { return whole }

        // What nearly all send needs no closer look.
        if contentType.equals(contentType.all, "application/sdp") { return whole }
        let type = ContentType(contentType, contentType.all)
        if type.isSDP(contentType) { return whole }
        guard type.isMultipart(contentType) else { throw BodyFault(.notSDP) }
        guard let boundary = type.boundary(contentType) else { throw BodyFault(.noBoundary) }
        var part: ByteRange?
        try findSDP(in: body, whole, boundary: boundary, of: contentType, depth: maximumDepth, found: &part)
        guard let part else { throw BodyFault(.noSDPPart) }
        guard !part.isEmpty else { throw BodyFault(.empty) }
        return part
    }
}
