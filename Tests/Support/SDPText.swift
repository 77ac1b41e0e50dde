// SPDX-License-Identifier: GPL-2.0-or-later
// Session descriptions as tests send them.

import Foundation

/// Builders of plain SDP. Lines end in CRLF.
public enum SDPText {
    /// One audio stream (PCMU, PCMA, telephone-event) at `port`, with a c= line of the session.
    public static func audio(
        _ address: String = "192.0.2.10", port: Int = 5004, extra: [String] = []
    ) -> String {
        session(address, streams: [media("audio", port)] + extra.map { [$0] })
    }

    /// A session with its own c= line and the given streams, each a list of lines.
    public static func session(_ address: String = "192.0.2.10", streams: [[String]]) -> String {
        let kind = address.contains(":") ? "IP6" : "IP4"
        return text(
            ["v=0", "o=- 1 1 IN \(kind) \(address)", "s=-", "c=IN \(kind) \(address)", "t=0 0"] + streams.joined())
    }

    /// The lines of a stream; with `address` it has a c= line of its own.
    public static func media(_ type: String, _ port: Int, address: String? = nil) -> [String] {
        var lines = ["m=\(type) \(port) RTP/AVP 0 8 101", "a=rtpmap:0 PCMU/8000"]
        if let address { lines.insert("c=IN \(address.contains(":") ? "IP6" : "IP4") \(address)", at: 1) }
        return lines
    }

    /// Where a description wants its first stream.
    public static func mediaAddress(of sdp: String) throws -> Endpoint {
        let lines = sdp.replacingOccurrences(of: "\r\n", with: "\n").split(separator: "\n")
        guard let media = lines.first(where: { $0.hasPrefix("m=") })?.split(separator: " "), media.count > 1,
            let port = UInt16(media[1]),
            let address = lines.first(where: { $0.hasPrefix("c=") })?.split(separator: " ").last
        else { throw HarnessError("no media address in \(sdp)") }
        return Endpoint(String(address), port)
    }

    /// Where a description wants each of its streams.
    public static func mediaAddresses(of sdp: String) throws -> [Endpoint] {
        var (session, ports, hosts): (String?, [UInt16], [String]) = (nil, [], [])
        for line in sdp.replacingOccurrences(of: "\r\n", with: "\n").split(separator: "\n") {
            let words = line.split(separator: " ")
            if line.hasPrefix("m="), words.count > 1, let port = UInt16(words[1]) {
                ports.append(port)
                hosts.append(session ?? "")
            } else if line.hasPrefix("c="), let host = words.last {
                if hosts.isEmpty { session = String(host) } else { hosts[hosts.count - 1] = String(host) }
            }
        }
        guard !ports.isEmpty, !hosts.contains("") else { throw HarnessError("no media addresses in \(sdp)") }
        return zip(hosts, ports).map { Endpoint($0, $1) }
    }

    /// Lines joined to a body, the last one with its line end too.
    public static func text(_ lines: some Sequence<String>) -> String {
        lines.map { $0 + "\r\n" }.joined()
    }
}
