// SPDX-License-Identifier: GPL-2.0-or-later
// SDP to edits: nothing outside the lines that a proxy may change is touched, our own output needs no change, and no
// reader finds an address or port in it that is not the relay's.
//
// Input: the options of a fixture, `%%`, a session description.

import Bytes
import SDP

final class SDPProperties: Properties {
    private var rewriter = Rewriter()

    func check(_ input: [UInt8]) throws(Broken) {
        let sections = Sections(input)
        let request = RewriteRequest(sections.head).sane
        try check(sections.body, sections.body.span.all, request)
        // The same amid other bytes, as in a multipart body.
        let body = Array("m=audio 1 RTP/AVP 0\r\n".utf8) + sections.body + Array("\r\nc=IN IP4 192.0.2.1".utf8)
        try check(body, ByteRange(start: 21, count: sections.body.count), request)
    }

    private func check(_ body: [UInt8], _ range: ByteRange, _ request: RewriteRequest) throws(Broken) {
        let rewritten: Rewritten
        do throws(SDPFault) {
            rewritten = try rewriter.rewrite(body, range, request, anyStreams: true)
        } catch {
            let lines = body.count { $0 == 0x0A } + 1
            try require(error.line >= 0 && error.line <= lines, "a fault on line \(error.line) of \(lines)")
            return
        }
        try requireSoundEdits(rewritten, body, range)
        let whole = ByteRange(start: range.start, count: range.count + rewritten.output.count - body.count)
        if let broken = brokenPromise(rewritten, request, &rewriter, in: whole) { throw Broken(broken) }
        let output = rewritten.output[whole.start..<whole.end]
        let relayed = Relayed(request.receiver == nil ? request.reaching(rewritten.streams) : rewritten.request)
        if let left = relayed.stray(in: output) { throw Broken(left) }
        if let broken = brokenForm(of: rewritten, in: output) { throw Broken(broken) }
    }
}

/// What holds for the edits of every body: the rules, and that only lines of the proxy are changed.
func requireSoundEdits(_ rewritten: Rewritten, _ body: [UInt8], _ range: ByteRange) throws(Broken) {
    if let broken = brokenRule(rewritten, body, range) { throw Broken(broken) }
    for edit in rewritten.edits {
        if !rewritten.forms.isEmpty, removesFormLines(edit.offset, edit.removed, body, range) { continue }
        if let broken = strayEdit(edit.offset, edit.removed, body, range) { throw Broken(broken) }
    }
}

/// Why an edit is not where a proxy may make one, or nil: within a line `c=`, `o=`, `m=` or `a=rtcp:`, or an insertion
/// between two lines or at the end.
func strayEdit(_ offset: Int, _ removed: Int, _ body: [UInt8], _ range: ByteRange) -> String? {
    var start = offset
    while start > range.start, body[start - 1] != 0x0A { start -= 1 }
    if removed == 0, start == offset || offset == range.end { return nil }
    let line = body[start..<range.end].prefix { $0 != 0x0A }
    guard offset + removed <= line.endIndex else { return "edit at \(offset) takes a line end away" }
    // Blanks and letter case do not keep others from reading it.
    let isRTCP = line.filter { $0 > 0x20 }.prefix(7).map { $0 | 0x20 }.elementsEqual(
        "a=rtcp:".map { ($0.asciiValue ?? 0) | 0x20 })
    let isOurs = isRTCP || ["c=", "o=", "m="].contains { line.starts(with: $0.utf8) }
    // The type of a line and the name of an attribute must not be changed.
    return isOurs && offset >= start + 2 ? nil : "edit at \(offset) is in a line that is not the proxy's"
}

extension RewriteRequest {
    /// What the module could ask for: RTPProxy's ports and addresses have been looked at, and the marker is an
    /// attribute that means nothing else. Hold is an endpoint's to ask for.
    var sane: RewriteRequest {
        var request = self
        request.addresses = []
        request.verdicts = []
        for verdict in verdicts {
            guard let destination = verdict.destination else {
                request.verdicts.append(verdict)
                continue
            }
            guard destination.port > 0, let family = AddressText.family(addresses.span, destination.address),
                family == destination.family,
                !AddressText.isNull(addresses.span, destination.address)
            else { continue }
            request.add(Array(addresses[destination.address.start..<destination.address.end]), destination.port)
        }
        if receiver != nil, !marker.starts(with: "a=nortpproxy".utf8) { request.marker = [] }
        if !marker.starts(with: "a=".utf8) || marker.contains(0x0D) || marker.count < 3
            || ["a=rtcp", "a=candidate:"].contains(where: {
                String(decoding: marker, as: UTF8.self).lowercased().hasPrefix($0)
            })
            || marker.contains(where: { $0 <= 0x20 })
        {
            request.marker = []
        }
        return request
    }
}
