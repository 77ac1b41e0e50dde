// SPDX-License-Identifier: GPL-2.0-or-later
// Parse, rewrite and apply in one go, and what must hold for the edits of every body.

import Bytes
import SDP

/// What came of a body.
package struct Rewritten {
    package var input: [UInt8]
    package var output: [UInt8]
    package var edits: [Edit]
    package var text: [UInt8]
    package var streams: [MediaStream]
    /// What was done, with the verdicts that it came to.
    package var request: RewriteRequest
    /// What became of each stream; none where no form was to change.
    package var forms: [StreamForm]
}

/// The scratch memory of one test, used for body after body as the module does.
package struct Rewriter: ~Copyable {
    package var description = SessionDescription()
    package var edits = EditList()

    package init() {}

    /// Rewrites `range` of `body` as `request` says; with `anyStreams` it brings as many verdicts as are needed.
    package mutating func rewrite(
        _ body: [UInt8], _ range: ByteRange? = nil, _ request: RewriteRequest, anyStreams: Bool = false
    ) throws(SDPFault) -> Rewritten {
        try description.parse(
            body.span, range ?? body.span.all, marker: [UInt8]().span, readsOrigins: true,
            readsWebRTC: request.receiver != nil)
        let streams = Array(description.streams)
        var request = anyStreams ? request.reaching(streams) : request.fitting(streams)
        let forms = request.makeForms(description, body)
        try edits.rewrite(
            description, body: body.span, verdicts: request.verdicts.span, forms: forms.span,
            addresses: request.addresses.span, marker: request.marker.span, options: request.options)
        return Rewritten(
            input: body, output: apply(Array(edits.edits), Array(edits.text), to: body), edits: Array(edits.edits),
            text: Array(edits.text), streams: streams, request: request, forms: forms)
    }

    /// The body with all edits made.
    private func apply(_ edits: [Edit], _ text: [UInt8], to body: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        var offset = 0
        for edit in edits {
            output += body[offset..<edit.offset]
            output += text[edit.text.start..<edit.text.end]
            offset = edit.offset + edit.removed
        }
        return output + body[offset...]
    }
}

/// Why `rewritten` breaks what holds for all edits, or nil: sorted, apart from each other, inside `range`, and none
/// that changes nothing.
package func brokenRule(_ rewritten: Rewritten, _ body: [UInt8], _ range: ByteRange) -> String? {
    var end = -1
    var textEnd = 0
    for edit in rewritten.edits {
        if edit.offset <= end { return "edit at \(edit.offset) touches the one before it" }
        if edit.offset < range.start || edit.removed < 0 { return "edit at \(edit.offset) lies before the SDP" }
        end = edit.offset + edit.removed
        if end > range.end { return "edit at \(edit.offset) goes beyond the SDP" }
        if edit.text.start != textEnd || edit.text.end > rewritten.text.count { return "the text has a gap" }
        textEnd = edit.text.end
        if body[edit.offset..<end] == rewritten.text[edit.text.start..<edit.text.end] {
            return "edit at \(edit.offset) changes nothing"
        }
    }
    return textEnd == rewritten.text.count ? nil : "text is left over"
}

/// Why the rewritten body is not what was asked for, or nil: parsed again it has the same media streams, each with its
/// new port and address, or 0 where it is refused, a null address where it had one, and what it had where it goes past
/// the relay; and rewriting it again changes nothing, relay candidates aside. `range`: where the session description stands in the output; nil: it is all of it.
package func brokenPromise(
    _ rewritten: Rewritten, _ request: RewriteRequest, _ rewriter: inout Rewriter, in range: ByteRange? = nil
) -> String? {
    var again = request.receiver == nil ? request.reaching(rewritten.streams) : rewritten.request
    again.options.relayCandidates = .none
    let second: Rewritten
    do throws(SDPFault) {
        second = try rewriter.rewrite(rewritten.output, range, again)
    } catch {
        return "the result does not parse: \(error)"
    }
    guard second.streams.count == rewritten.streams.count else { return "the number of streams changed" }
    guard second.edits.isEmpty else { return "rewriting the result changes it again" }
    let destinations = again.verdicts.compactMap(\.destination)
    for (stream, (before, verdict)) in zip(second.streams, zip(rewritten.streams, again.verdicts)) {
        let port =
            switch verdict {
            case .relayed(let destination): destination.port
            case .refused: UInt16(0)
            case .left: before.port
            }
        guard stream.port == port else { return "stream \(stream.number) has port \(stream.port)" }
        let form = rewritten.forms.isEmpty ? .asItCame : rewritten.forms[stream.number - 1]
        let keepsHold = before.isOnHold && (form == .asItCame || form == .plain)
        guard stream.isOnHold == keepsHold || (form != .asItCame && verdict == .refused) else {
            return "stream \(stream.number): hold changed"
        }
        let isUnchanged = text(rewritten.output, stream.address) == text(rewritten.input, before.address)
        // A session's connection goes to one of the media streams that share it, that of a refused one to any of them.
        let isShared = stream.address.start < stream.portText.start || verdict == .refused
        let fits = destinations.contains { candidate in
            guard isShared || candidate == verdict.destination else { return false }
            let isNew = rewritten.output.span.equals(stream.address, again.addresses.span, candidate.address)
            return stream.family == candidate.family && (isNew || before.isOnHold)
        }
        switch verdict {
        case .relayed: guard fits else { return "stream \(stream.number) has the wrong address or family" }
        case .refused: guard fits || isUnchanged else { return "stream \(stream.number) has a stray address" }
        case .left: guard isUnchanged else { return "stream \(stream.number) has another address" }
        }
    }
    return nil
}

/// The text of `range`, for expectations: they cannot hold spans.
package func text(_ body: [UInt8], _ range: ByteRange) -> String {
    var bytes: [UInt8] = []
    bytes.append(body.span, range)
    return String(decoding: bytes, as: UTF8.self)
}
