// SPDX-License-Identifier: GPL-2.0-or-later
// What has to hold where a rewrite makes WebRTC of plain RTP or the other way round, as a lax reader sees it.

import Bytes
import SDP

/// Why what `rewritten` came to, `output`, is not of the form that was asked for, or nil: towards plain RTP no stream
/// that was WebRTC has an attribute of ICE or DTLS left, nor has its session; towards WebRTC each stream that is on has
/// exactly one fingerprint, user name fragment, password and candidate, and all are the relay's.
package func brokenForm(of rewritten: Rewritten, in output: ArraySlice<UInt8>) -> String? {
    guard !rewritten.forms.isEmpty else { return nil }
    // Who takes CR CR LF for two line ends stops behind its first, whether the stream's lines go on or not.
    let hasReturns = zip(output, output.dropFirst()).contains { $0 == 0x0D && $1 == 0x0D }
    for habits in LenientReader.Habits.allCases where !hasReturns || habits.cut != .atEmptyLine {
        let reader = AttributeReader(output, habits)
        var first = 0
        for session in reader.sessions {
            let indices = first..<(first + session.streams.count)
            first = indices.upperBound
            guard indices.upperBound <= rewritten.forms.count else { return "there are more streams than before" }
            let broken = indices.lazy.compactMap {
                rewritten.brokenStream($0, session.streams[$0 - indices.lowerBound], habits)
            }.first
            if let broken = broken ?? rewritten.brokenSession(indices, session, habits) {
                return "\(broken), as a reader sees it that \(habits.text)"
            }
        }
    }
    return nil
}

/// Whether an edit takes whole lines away, all of which are attributes that one of the forms has no use for.
func removesFormLines(_ offset: Int, _ removed: Int, _ body: [UInt8], _ range: ByteRange) -> Bool {
    let end = offset + removed
    guard removed > 0, offset == range.start || body[offset - 1] == 0x0A, end == range.end || body[end - 1] == 0x0A
    else { return false }
    return body[offset..<end].split(separator: 0x0A).allSatisfy { line in
        AttributeReader.attribute(line).map { AttributeReader.mayGo($0.name) } ?? false
    }
}

/// The attributes of a description as a lax reader finds them.
struct AttributeReader {
    struct Attribute {
        let name: String
        let value: String
    }

    struct Stream {
        var media: [String] = []
        var attributes: [Attribute] = []

        func values(_ name: String) -> [String] { attributes.filter { $0.name == name }.map(\.value) }
    }

    struct Session {
        var attributes: [Attribute] = []
        var streams: [Stream] = []
    }

    private(set) var sessions = [Session()]

    init(_ bytes: ArraySlice<UInt8>, _ habits: LenientReader.Habits) {
        let bytes = habits.cut == .atNUL ? bytes.prefix { $0 != 0 } : bytes
        for line in LenientReader.lines(bytes) {
            if line.isEmpty, habits.cut == .atEmptyLine { break }
            take(line, habits)
        }
    }

    private mutating func take(_ line: ArraySlice<UInt8>, _ habits: LenientReader.Habits) {
        let last = sessions.count - 1
        guard let letter = line.first(where: { $0 > 0x20 }) else { return }
        let sign = line.drop { $0 <= 0x20 }.dropFirst().drop { $0 <= 0x20 }
        guard sign.first == UInt8(ascii: "=") else { return }
        switch letter | 0x20 {
        case UInt8(ascii: "v") where habits.knowsSessions: sessions.append(Session())
        case UInt8(ascii: "m"):
            let words = sign.dropFirst().split { $0 <= 0x20 }.map { String(decoding: $0, as: UTF8.self) }
            sessions[last].streams.append(Stream(media: words))
        default:
            guard let attribute = Self.attribute(line) else { return }
            if sessions[last].streams.isEmpty {
                sessions[last].attributes.append(attribute)
            } else {
                sessions[last].streams[sessions[last].streams.count - 1].attributes.append(attribute)
            }
        }
    }

    /// The attribute that a line may be taken for; nil: it is none.
    static func attribute(_ line: ArraySlice<UInt8>) -> Attribute? {
        let start = line.drop { $0 <= 0x20 }
        guard let letter = start.first, letter | 0x20 == UInt8(ascii: "a") else { return nil }
        let sign = start.dropFirst().drop { $0 <= 0x20 }
        guard sign.first == UInt8(ascii: "=") else { return nil }
        let text = sign.dropFirst()
        let name = text.prefix { $0 != UInt8(ascii: ":") }.split { $0 <= 0x20 }.first ?? []
        let value = text.drop { $0 != UInt8(ascii: ":") }.dropFirst().split { $0 <= 0x20 }
        return Attribute(
            name: String(decoding: name, as: UTF8.self).lowercased(),
            value: value.map { String(decoding: $0, as: UTF8.self) }.joined(separator: " "))
    }

    /// Whether `name` has to do with ICE, DTLS or streams that share a transport.
    static func isWebRTC(_ name: String) -> Bool {
        name.hasPrefix("ice-")
            || [
                "fingerprint", "setup", "tls-id", "candidate", "remote-candidates", "end-of-candidates", "mid", "group",
                "rtcp-mux", "rtcp-mux-only", "bundle-only",
            ].contains(name)
    }

    /// Whether a line of this attribute may go at all.
    static func mayGo(_ name: String) -> Bool {
        isWebRTC(name)
            || [
                "crypto", "rtcp", "rtcp-fb", "rtcp-rsize", "msid", "msid-semantic", "extmap", "extmap-allow-mixed",
                "ssrc", "ssrc-group", "rid", "simulcast", "sendrecv", "recvonly",
            ].contains(name)
    }
}

extension Rewritten {
    fileprivate func brokenStream(
        _ index: Int, _ stream: AttributeReader.Stream, _ habits: LenientReader.Habits
    ) -> String? {
        let verdict = request.verdicts[index]
        let place = "stream \(index + 1)"
        switch forms[index] {
        case .asItCame: return nil
        case .plain:
            // Of who takes no notice of v=, it may be the next session's.
            guard habits.knowsSessions else { return nil }
            if let left = stream.attributes.first(where: { AttributeReader.isWebRTC($0.name) || $0.name == "crypto" }) {
                return "\(place) has a=\(left.name)"
            }
            guard streams[index].isRTP, verdict.destination != nil else { return nil }
            return stream.media.dropFirst(2).first == "RTP/AVP" ? nil : "\(place) is \(stream.media)"
        case .webRTC(let end):
            guard habits.knowsSessions else { return nil }
            let isRelayed = verdict.destination != nil
            for name in ["fingerprint", "ice-ufrag", "ice-pwd", "candidate", "setup", "rtcp-mux", "end-of-candidates"]
            where stream.values(name).count != (isRelayed ? 1 : 0) {
                return "\(place) has \(stream.values(name).count) a=\(name)"
            }
            guard stream.values("mid").count == 1 else { return "\(place) has \(stream.values("mid").count) a=mid" }
            for name in ["rtcp", "crypto", "bundle-only", "remote-candidates", "ice-options", "tls-id", "ice-lite"]
            where !stream.values(name).isEmpty { return "\(place) has a=\(name)" }
            guard let destination = verdict.destination else { return nil }
            let address = given(destination.address)
            let expected = [
                ("fingerprint", "sha-256 \(given(end.fingerprint))"),
                ("ice-ufrag", given(end.ufrag)), ("ice-pwd", given(end.password)),
                ("candidate", "1 1 UDP 2130706431 \(address) \(destination.port) typ host"),
            ]
            for (name, value) in expected where stream.values(name) != [value] {
                return "\(place) has a=\(name):\(stream.values(name)), not \(value)"
            }
            return stream.media.dropFirst(2).first == "UDP/TLS/RTP/SAVPF" ? nil : "\(place) is \(stream.media)"
        }
    }

    fileprivate func brokenSession(
        _ indices: Range<Int>, _ session: AttributeReader.Session, _ habits: LenientReader.Habits
    ) -> String? {
        // Who stops on the way does not see all streams, and who takes no notice of v= others, too.
        guard habits.knowsSessions, habits.cut == .nowhere, indices.contains(where: { forms[$0] != .asItCame }) else {
            return nil
        }
        let relayed = indices.filter {
            if case .webRTC = forms[$0] { request.verdicts[$0].destination != nil } else { false }
        }
        let living = indices.filter { request.verdicts[$0] != .refused }
        var allowed: [String] = []
        if !relayed.isEmpty {
            allowed.append("ice-lite")
            if living.count == 1, request.options.allowsBundle { allowed.append("group") }
        }
        let found = session.attributes.map(\.name).filter { AttributeReader.isWebRTC($0) }
        guard found.sorted() == allowed.sorted() else { return "a session has \(found), not \(allowed)" }
        guard let group = session.attributes.first(where: { $0.name == "group" }), let only = relayed.first else {
            return nil
        }
        let mid = session.streams[only - indices.lowerBound].values("mid").first ?? ""
        guard group.value == "BUNDLE \(mid)" else { return "a session has a=group:\(group.value)" }
        let mids = session.streams.compactMap { $0.values("mid").first }
        return Set(mids).count == mids.count || hasGivenMids ? nil : "two streams have one mid"
    }

    private func given(_ range: ByteRange) -> String {
        String(decoding: request.addresses[range.start..<range.end], as: UTF8.self)
    }

    private var hasGivenMids: Bool {
        forms.contains {
            if case .webRTC(let end) = $0 { !end.mid.isEmpty } else { false }
        }
    }
}
