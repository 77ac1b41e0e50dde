// SPDX-License-Identifier: GPL-2.0-or-later
// The ICE candidates of the relay itself, beside those of the endpoint.

internal import Bytes

/// Whether a media stream that has ICE candidates gets relay candidates, and how they rank (RFC 8445 section 5.1.2:
/// 1 to 2^31 - 1).
package enum RelayCandidates: Equatable, Sendable {
    case none
    /// Below every other candidate: the relay is used where nothing else works.
    case low
    /// Above every other candidate.
    case high

    /// The priority of component 1; component 2 has one less.
    var priority: UInt64 {
        switch self {
        case .none: 0
        case .low: 16_777_215
        case .high: 2_147_483_647
        }
    }
}

extension EditList {
    /// Adds two `a=candidate:` lines (RFC 8839 section 5.1) at `offset`, behind the stream's own: component 1 for RTP
    /// and 2 for RTCP, the latter only where there is an RTCP port.
    mutating func addCandidates(
        _ candidates: RelayCandidates, at offset: Int, _ description: borrowing SessionDescription,
        _ body: Span<UInt8>, _ destination: StreamDestination, _ addresses: Span<UInt8>
    ) {
        guard candidates != .none else { return }
        addLine(body, at: offset, lineEnd: description.lineEnd) {
            EditList.appendCandidate(
                1, candidates.priority, destination.address, destination.port, addresses, to: &$0)
        }
        guard let rtcpPort = destination.rtcpPort else { return }
        addLine(body, at: offset, lineEnd: description.lineEnd) {
            EditList.appendCandidate(
                2, candidates.priority &- 1, destination.address, rtcpPort, addresses, to: &$0)
        }
    }

    private static func appendCandidate(
        _ component: UInt64, _ priority: UInt64, _ address: ByteRange, _ port: UInt16, _ addresses: Span<UInt8>,
        to text: inout some ByteWriter
    ) {
        text.append("a=candidate:")
        appendFoundation(addresses, address, to: &text)
        text.append(" ")
        text.append(decimal: component)
        text.append(" UDP ")
        text.append(decimal: priority)
        text.append(" ")
        text.append(addresses, address)
        text.append(" ")
        text.append(decimal: UInt64(widening: port))
        text.append(" typ relay")
    }

    /// The foundation is the digits of the address, 32 at most (RFC 8839 section 5.1), and `0` where it has none.
    private static func appendFoundation(_ addresses: Span<UInt8>, _ address: ByteRange, to text: inout some ByteWriter)
    {
        let inside = addresses.clamped(address)
        var digits = 0
        // NO TRAP (2): inside comes from clamped(): start <= end, both within the addresses.
        for index in inside.start..<inside.end where isDigit(addresses[index]) && digits < 32 {
            text.append(addresses[index])
            digits &+= 1
        }
        if digits == 0 { text.append("0") }
    }
}
