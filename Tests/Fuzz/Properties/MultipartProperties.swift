// SPDX-License-Identifier: GPL-2.0-or-later
// From a SIP body to its session description: a part of the body, cut where a boundary says, also of our own output.
//
// Input: lines `T <Content-Type>` and `L <Content-Length>`, `%%`, a body.

import Bytes
import SDP

final class MultipartProperties: Properties {
    private var rewriter = Rewriter()

    func check(_ input: [UInt8]) throws(Broken) {
        let sections = Sections(input)
        var type: [UInt8]?
        var length: Int?
        sections.forEachLine { letter, text in
            if letter == UInt8(ascii: "T") { type = text }
            if letter == UInt8(ascii: "L") { length = number(text) }
        }
        let body = sections.body
        guard let range = find(body, type, length) else { return }
        let end = body.count
        try require(!range.isEmpty && range.start >= 0 && range.end <= end, "\(range) of \(end)")
        let isPart = range.start > 0
        if isPart {
            try require(body[range.start - 1] == 0x0A, "a part begins amid a line")
            try require(range.end == end || isBoundary(body, at: range.end), "a part ends without a boundary")
        } else {
            try require(range.end == end, "a body without parts is not all SDP")
        }
        try checkRewriting(body, range, type, length)
    }

    /// Whether a delimiter stands at `offset`, its line end first.
    private func isBoundary(_ body: [UInt8], at offset: Int) -> Bool {
        let rest = body[offset...]
        return rest.starts(with: "\r\n--".utf8) || rest.starts(with: "\n--".utf8) || rest.starts(with: "--".utf8)
    }

    private func find(_ body: [UInt8], _ type: [UInt8]?, _ length: Int?) -> ByteRange? {
        guard let type else { return try? BodyPart.find(in: body.span, contentType: nil, contentLength: length) }
        return try? BodyPart.find(in: body.span, contentType: type.span, contentLength: length)
    }

    /// The edits lie in the part, and with them made the part is found again and needs no more.
    private func checkRewriting(
        _ body: [UInt8], _ range: ByteRange, _ type: [UInt8]?, _ length: Int?
    ) throws(Broken) {
        let request = RewriteRequest("to 192.0.2.77 35000\nto 2001:db8::77 35002\norigin\nmarker a=nortpproxy:yes")
        guard let rewritten = try? rewriter.rewrite(body, range, request, anyStreams: true) else { return }
        try requireSoundEdits(rewritten, body, range)
        let growth = rewritten.output.count - body.count
        let expected = ByteRange(start: range.start, count: range.count + growth)
        // The host counts what it sends, whatever the header has said before.
        let found = find(rewritten.output, type, length == nil ? nil : rewritten.output.count)
        try require(found == expected, "\(String(describing: found)) in our own output, not \(expected)")
        if let broken = brokenPromise(rewritten, request, &rewriter, in: expected) { throw Broken(broken) }
        let relayed = Relayed(request.reaching(rewritten.streams))
        let all = type.map { LenientParts.descriptions(rewritten.output, type: $0) } ?? [rewritten.output[...]]
        for description in all {
            if let left = relayed.stray(in: description) { throw Broken(left) }
        }
    }
}
