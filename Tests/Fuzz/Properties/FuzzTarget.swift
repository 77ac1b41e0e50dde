// SPDX-License-Identifier: GPL-2.0-or-later
// What is fuzzed: the places that read bytes from outside, and what must hold whatever these are.

/// A property that does not hold for some input.
package struct Broken: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

/// What must hold for every input. Scratch memory is kept from input to input, as the module does.
package protocol Properties: AnyObject {
    func check(_ input: [UInt8]) throws(Broken)
}

/// One reader of bytes from outside.
package enum FuzzTarget: String, CaseIterable, Sendable {
    /// A session description, to edits.
    case sdp
    /// A multipart body, to the part that is SDP.
    case multipart
    /// The flags of a script function.
    case flags
    /// What RTPProxy answers.
    case replies
    /// Values of rtpproxy_sock.
    case sock
    /// URLs of RTPProxies.
    case url
    /// What RTPProxy writes where media has stopped.
    case notifications
    /// The records that processes hand to each other.
    case jobs
    /// What hosts that share calls send to each other.
    case fleet
    /// Script functions from their C entry points to RTPProxy and back.
    case calls

    package func properties() -> any Properties {
        switch self {
        case .sdp: SDPProperties()
        case .multipart: MultipartProperties()
        case .flags: FlagsProperties()
        case .replies: RepliesProperties()
        case .sock: SockProperties()
        case .url: URLProperties()
        case .notifications: NotificationsProperties()
        case .jobs: JobsProperties()
        case .fleet: FleetProperties()
        case .calls: CallsProperties.shared
        }
    }
}

/// Throws where `holds` is false.
@inline(__always)
func require(_ holds: Bool, _ text: @autoclosure () -> String) throws(Broken) {
    if !holds { throw Broken(text()) }
}

/// An input that a person can read: lines that say how, a line `%%`, and behind it the bytes that it is about. Without
/// such a line it is all bytes.
struct Sections {
    let head: [UInt8]
    let body: [UInt8]

    init(_ input: [UInt8]) {
        var start = 0
        while start + 3 <= input.count {
            if input[start] == UInt8(ascii: "%"), input[start + 1] == UInt8(ascii: "%"), input[start + 2] == 0x0A {
                head = Array(input[..<start])
                body = Array(input[(start + 3)...])
                return
            }
            guard let lineFeed = input[start...].firstIndex(of: 0x0A) else { break }
            start = lineFeed + 1
        }
        head = []
        body = input
    }

    /// The lines of the head: a letter, and the text behind the blank that follows it.
    func forEachLine(_ take: (UInt8, [UInt8]) -> Void) {
        for line in head.split(separator: 0x0A) {
            guard let letter = line.first else { continue }
            take(letter, Sections.unescaped(line.dropFirst(2)))
        }
    }

    /// `\n`, `\r`, `\0` and `\\` as the bytes that they stand for.
    static func unescaped(_ text: ArraySlice<UInt8>) -> [UInt8] {
        guard text.contains(UInt8(ascii: "\\")) else { return Array(text) }
        var result: [UInt8] = []
        var isEscaped = false
        for byte in text {
            if isEscaped {
                isEscaped = false
                switch byte {
                case UInt8(ascii: "n"): result.append(0x0A)
                case UInt8(ascii: "r"): result.append(0x0D)
                case UInt8(ascii: "0"): result.append(0)
                default: result.append(byte)
                }
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else {
                result.append(byte)
            }
        }
        return result
    }
}

/// The number that `digits` spell; nil where they spell none.
func number(_ digits: [UInt8]) -> Int? { Int(String(decoding: digits, as: UTF8.self)) }

extension Array where Element == UInt8 {
    /// As a line of a report shows it.
    var shown: String { String(decoding: self, as: UTF8.self).debugDescription }
}
