// SPDX-License-Identifier: GPL-2.0-or-later
// A call with media: each phone has a socket for RTP, and knows where the other side's description sends it.

/// A call through Kamailio whose phones send and count RTP, through whatever stands in the descriptions they got.
public final class PhoneCall {
    public let call: Call
    public let media: [Call.Side: RTPEndpoint]
    /// Where each side sends its RTP; nil before it has got a description.
    public private(set) var destinations: [Call.Side: Endpoint] = [:]

    /// Between phones at these addresses. `media`: other addresses for their RTP, as a dual-stack phone may have.
    public init(
        _ kamailio: Kamailio, caller: String = "127.0.0.2", callee: String = "127.0.0.3",
        media: [Call.Side: String] = [:]
    ) throws {
        call = try Call(
            through: { kamailio.endpoint($0) }, caller: UserAgent("alice", address: caller),
            callee: UserAgent("bob", address: callee))
        self.media = [
            .caller: try RTPEndpoint(media[.caller] ?? caller), .callee: try RTPEndpoint(media[.callee] ?? callee),
        ]
    }

    /// The same with a call that others have made.
    public init(_ call: Call, media: [Call.Side: String] = [:]) throws {
        self.call = call
        self.media = [
            .caller: try RTPEndpoint(media[.caller] ?? call.caller.endpoint.host),
            .callee: try RTPEndpoint(media[.callee] ?? call.callee.endpoint.host),
        ]
    }

    private func endpoint(_ side: Call.Side) throws -> RTPEndpoint {
        guard let endpoint = media[side] else { throw HarnessError("no RTP socket of this side") }
        return endpoint
    }

    /// What a phone offers or answers: one audio stream at its socket, with `null` at the null address (hold).
    public func description(of side: Call.Side, null: Bool = false, extra: [String] = []) throws -> String {
        let socket = try endpoint(side).socket.endpoint
        let address = null ? (socket.family == .ipv6 ? "::" : "0.0.0.0") : socket.host
        return SDPText.audio(address, port: Int(socket.port), extra: extra)
    }

    /// Takes the description in a message that `side` has got.
    @discardableResult
    public func take(_ message: SIPMessage, at side: Call.Side) throws -> Endpoint {
        let destination = try SDPText.mediaAddress(of: message.text)
        destinations[side] = destination
        return destination
    }

    /// INVITE with an offer from `side`, and the 200 with its answer. The messages as they were got.
    @discardableResult
    public func connect(
        from side: Call.Side = .caller, inDialog: Bool = false, offer: Run = .offer(), answer: Run = .answer(),
        null: Bool = false, extra: [String] = []
    ) throws -> (invite: SIPMessage, answer: SIPMessage) {
        let other: Call.Side = side == .caller ? .callee : .caller
        let sdp = try description(of: side, null: null, extra: extra)
        let invite = try call.invite(sdp: sdp, run: offer, from: side, inDialog: inDialog)
        try take(invite, at: other)
        let answered = try call.reply(to: invite, sdp: description(of: other), run: answer, from: other)
        try take(answered, at: side)
        try call.ack(from: side)
        return (invite, answered)
    }

    /// How many of `count` packets that `side` sends arrive at the other.
    public func packets(from side: Call.Side, count: Int = 20, within milliseconds: Int = 1000) throws -> Int {
        guard let destination = destinations[side] else { throw HarnessError("this side knows nowhere to send to") }
        let other = try endpoint(side == .caller ? .callee : .caller)
        // What came before is not counted.
        while other.socket.receive(0) != nil {}
        try endpoint(side).send(count, to: destination)
        return other.count(expecting: count, within: milliseconds)
    }

    /// Packets of 20 that arrive, from the caller and from the callee.
    public func audio() throws -> [Int] { [try packets(from: .caller), try packets(from: .callee)] }

    /// Whether RTP with a payload of this byte alone comes to a phone, as of a prompt made of it.
    public func hears(_ byte: UInt8, at side: Call.Side, within seconds: Double = 15) -> Bool {
        waitUntil(seconds) {
            guard let (bytes, _) = media[side]?.socket.receive(200) else { return false }
            return bytes.count > 12 && bytes.dropFirst(12).allSatisfy { $0 == byte }
        }
    }

    /// Whether in the end nothing comes to a phone for 300 ms.
    public func fallsSilent(at side: Call.Side) -> Bool {
        waitUntil(15) { media[side]?.socket.receive(300) == nil }
    }
}
