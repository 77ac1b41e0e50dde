// SPDX-License-Identifier: GPL-2.0-or-later
// A SIP message as a test needs it: taken apart, changed, put together again byte for byte.

import Foundation

/// Start line, headers in their order, and body. Nothing is checked: hostile messages are built with it too.
public struct SIPMessage: Sendable, CustomStringConvertible {
    public var startLine: String
    public var headers: [(name: String, value: String)]
    public var body: [UInt8]
    /// Whether `bytes` writes the Content-Length that the body has; false leaves the headers as they are.
    public var writesContentLength = true

    public init(_ startLine: String, headers: [(name: String, value: String)] = [], body: String = "") {
        self.startLine = startLine
        self.headers = headers
        self.body = Array(body.utf8)
    }

    /// Takes a received message apart; nil where it has no header end.
    public init?(_ bytes: [UInt8]) {
        let separator: [UInt8] = [13, 10, 13, 10]
        guard let end = bytes.firstRange(of: separator) else { return nil }
        var lines = String(decoding: bytes[..<end.lowerBound], as: UTF8.self).components(separatedBy: "\r\n")
        startLine = lines.removeFirst()
        headers = lines.map { line in
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            let value = parts.count > 1 ? parts[1].trimmingCharacters(in: .whitespacesAndNewlines) : ""
            return (parts[0].trimmingCharacters(in: .whitespaces), value)
        }
        body = Array(bytes[end.upperBound...])
        writesContentLength = false
    }

    /// The message as it goes over the wire.
    public var bytes: [UInt8] {
        var copy = self
        if writesContentLength { copy["Content-Length"] = String(body.count) }
        let head = ([startLine] + copy.headers.map { "\($0.name): \($0.value)" }).joined(separator: "\r\n")
        return Array((head + "\r\n\r\n").utf8) + body
    }

    public var description: String { String(decoding: bytes, as: UTF8.self) }

    /// The body as text.
    public var text: String { String(decoding: body, as: UTF8.self) }

    /// The first header of that name; setting replaces it, adds it, or with nil removes all of that name.
    public subscript(name: String) -> String? {
        get { headers.first { $0.name.caseInsensitiveCompare(name) == .orderedSame }?.value }
        set {
            let position = headers.firstIndex { $0.name.caseInsensitiveCompare(name) == .orderedSame }
            switch (newValue, position) {
            case (let value?, let index?): headers[index].value = value
            case (let value?, nil): headers.append((name, value))
            case (nil, _): headers.removeAll { $0.name.caseInsensitiveCompare(name) == .orderedSame }
            }
        }
    }

    /// All values of a header, in order.
    public func all(_ name: String) -> [String] {
        headers.filter { $0.name.caseInsensitiveCompare(name) == .orderedSame }.map(\.value)
    }

    public var isRequest: Bool { !startLine.hasPrefix("SIP/2.0") }
    /// The method of a request, or the one that a response answers.
    public var method: String {
        isRequest
            ? startLine.split(separator: " ").first.map(String.init) ?? ""
            : self["CSeq"]?.split(separator: " ").last.map(String.init) ?? ""
    }
    /// The code of a response, 0 for a request.
    public var status: Int {
        isRequest ? 0 : startLine.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    }
    /// The number of CSeq, 0 where there is none.
    public var sequence: Int { self["CSeq"]?.split(separator: " ").first.flatMap { Int($0) } ?? 0 }
    public var callID: String { self["Call-ID"] ?? self["i"] ?? "" }
    public var fromTag: String? { self["From"].flatMap { Self.parameter("tag", of: $0) } }
    public var toTag: String? { self["To"].flatMap { Self.parameter("tag", of: $0) } }
    /// The branches of all Via headers, the topmost first; an empty text where a Via has none.
    public var viaBranches: [String] { all("Via").map { Self.parameter("branch", of: $0) ?? "" } }

    /// The value of a header parameter; nil where it is not there.
    public static func parameter(_ name: String, of value: String) -> String? {
        for part in value.split(separator: ";").dropFirst() where part.hasPrefix("\(name)=") {
            return String(part.dropFirst(name.count + 1))
        }
        return nil
    }

    // What the stage's script leaves in the message (Tests/Fixtures/kamailio/stage.cfg).

    /// The return codes of the functions that the script ran on this message, in order.
    public var returnCodes: [Int] { all("X-RC").compactMap { Int($0) } }
    /// `$rtpstat`, as the script saw it; `<null>` where there was none.
    public var statistics: String? { self["X-Stat"] }
    /// The variable named by `rtp_inst_pvar` after the functions ran.
    public var instance: String? { self["X-Instance"] }
    /// The lines of the body without their line ends.
    public var lines: [String] {
        text.replacingOccurrences(of: "\r\n", with: "\n").split(separator: "\n").map(String.init)
    }
}
