// SPDX-License-Identifier: GPL-2.0-or-later
// The URL of an RTPProxy as a configuration names it, cut into ranges.

package import Bytes

/// How commands travel to a node and replies back (control-protocol: Transports).
package enum NodeScheme: UInt8, Sendable {
    /// IPv4 datagrams.
    case udp = 1
    /// IPv6 datagrams.
    case udp6 = 2
    /// A unix stream, one command per connection.
    case unix = 3
    /// A unix stream that stays connected.
    case cunix = 4
    /// TCP over IPv4 that stays connected.
    case tcp = 5
    /// TCP over IPv6 that stays connected.
    case tcp6 = 6

    /// How a command is framed on this transport.
    package var framing: Framing {
        switch self {
        case .udp, .udp6: .datagram
        case .unix: .stream
        case .cunix, .tcp, .tcp6: .pipeline
        }
    }

    /// Whether a node is found by the path of a socket, and has no network address.
    package var isUnix: Bool { self == .unix || self == .cunix }
    /// Whether a node's address is an IPv6 one.
    package var isIPv6: Bool { self == .udp6 || self == .tcp6 }
}

/// Why a URL is refused.
package enum NodeURLError: Error, Equatable, Sendable {
    case empty, tooLong, unfitByte, unknownScheme, noHost, badHost, needsIPv6, badPort, noPath, pathTooLong

    /// A few words for a log line that quotes the URL.
    package var text: StaticString {
        switch self {
        case .empty: "empty URL"
        case .tooLong: "URL longer than 255 bytes"
        case .unfitByte: "blank or control character in a URL"
        case .unknownScheme: "unknown scheme, not udp:, udp6:, unix:, cunix:, tcp: or tcp6:"
        case .noHost: "no host"
        case .badHost: "not a host name or address of this scheme"
        case .needsIPv6: "an IPv6 address needs udp6: or tcp6:"
        case .badPort: "port is neither a number of 1..65535 nor a service that this system knows"
        case .noPath: "no path"
        case .pathTooLong: "socket path longer than 107 bytes"
        }
    }
}

/// One RTPProxy's URL: `udp:host[:port]`, `udp6:host[:port]`, `tcp:` and `tcp6:` likewise, `unix:path`, `cunix:path` or
/// a bare path, which is `unix`.
///
/// A bare path is a text without `:`, or with a `/` before the first one (`/run/rtpproxy.sock`, `./rtpproxy.sock`,
/// `rtpproxy.sock`). Schemes are read in either letter case. A host `*`, as RTPProxy's own option `-s` has it, is this
/// host. A port may be the name of a service. Of an IPv6 address without brackets the last part is the port where it is
/// a number and leaves an address: `udp6:::1:7890`.
package struct NodeURL: Equatable, Sendable {
    package let scheme: NodeScheme
    /// Host without brackets, or path; offsets count from the beginning of the URL.
    package let target: ByteRange
    /// 1..65535; 0 for `unix` and `cunix`.
    package let port: UInt16

    /// RTPProxy's own default.
    package static let defaultPort: UInt16 = 22222
    /// The longest URL of a node, in bytes.
    package static let maximumLength = 255
    /// What fits `sun_path` with its NUL, in bytes.
    package static let maximumPathLength = 107
    /// The longest domain name, in bytes.
    package static let maximumHostLength = 253

    /// Reads the URL that stands at `range`; nothing around it is skipped.
    @_optimize(size)
    package init(_ bytes: Span<UInt8>, _ range: ByteRange) throws(NodeURLError) {
        let url = bytes.clamped(range)
        guard !url.isEmpty else { throw .empty }
        guard url.count <= Self.maximumLength else { throw .tooLong }
        guard bytes.firstUnfitForWord(in: url) == nil else { throw .unfitByte }

        let slash = bytes.firstIndex(of: UInt8(ascii: "/"), in: url) ?? url.end
        guard let colon = bytes.firstIndex(of: UInt8(ascii: ":"), in: url), colon < slash else {
            try self.init(.unix, path: url, of: url)
            return
        }
        let name = ByteRange(from: url.start, to: colon)
        let rest = ByteRange(from: colon &+ 1, to: url.end)
        if bytes.equalsIgnoringCase(name, "udp") {
            try self.init(bytes, .udp, rest, of: url)
        } else if bytes.equalsIgnoringCase(name, "udp6") {
            try self.init(bytes, .udp6, rest, of: url)
        } else if bytes.equalsIgnoringCase(name, "unix") {
            try self.init(.unix, path: rest, of: url)
        } else if bytes.equalsIgnoringCase(name, "cunix") {
            try self.init(.cunix, path: rest, of: url)
        } else if bytes.equalsIgnoringCase(name, "tcp") {
            try self.init(bytes, .tcp, rest, of: url)
        } else if bytes.equalsIgnoringCase(name, "tcp6") {
            try self.init(bytes, .tcp6, rest, of: url)
        } else {
            throw .unknownScheme
        }
    }

    private init(_ scheme: NodeScheme, path: ByteRange, of url: ByteRange) throws(NodeURLError) {
        guard !path.isEmpty else { throw .noPath }
        guard path.count <= Self.maximumPathLength else { throw .pathTooLong }
        self.scheme = scheme
        target = ByteRange(start: path.start &- url.start, count: path.count)
        port = 0
    }

    @_optimize(size)
    private init(
        _ bytes: Span<UInt8>, _ scheme: NodeScheme, _ rest: ByteRange, of url: ByteRange
    ) throws(NodeURLError) {
        let (host, portText) = try Self.split(bytes, rest, scheme)
        guard !host.isEmpty else { throw .noHost }
        guard host.count <= Self.maximumHostLength else { throw .badHost }
        if bytes.firstIndex(of: UInt8(ascii: ":"), in: host) != nil {
            guard scheme.isIPv6 else { throw .needsIPv6 }
            // An IPv6 address, perhaps with a zone, that the system can read.
            guard bytes.firstIndex(of: UInt8(ascii: "["), in: host) == nil,
                bytes.firstIndex(of: UInt8(ascii: "]"), in: host) == nil,
                Resolver.numeric(bytes, host, port: 0, scheme: scheme) != nil
            else { throw .badHost }
        } else if !bytes.equals(host, "*") {
            // NO TRAP: split() cuts host out of url, which is clamped: start <= end, both within the bytes.
            for index in host.start..<host.end where !Self.isHostByte(bytes[index]) { throw .badHost }
        }
        var port = Self.defaultPort
        if let portText {
            guard let number = Self.port(bytes, portText, scheme) else { throw .badPort }
            port = number
        }
        self.scheme = scheme
        self.target = ByteRange(start: host.start &- url.start, count: host.count)
        self.port = port
    }

    /// The port that a number of 1..65535 or the name of a service says, else nil.
    private static func port(_ bytes: Span<UInt8>, _ text: ByteRange, _ scheme: NodeScheme) -> UInt16? {
        if let number = Decimal.parse(bytes, text, maximum: 65535) {
            return number > 0 ? UInt16(truncatingIfNeeded: number) : nil
        }
        return Resolver.servicePort(bytes, text, scheme)
    }

    /// Host without brackets and the text behind its colon, if there is one.
    @_optimize(size)
    private static func split(
        _ bytes: Span<UInt8>, _ rest: ByteRange, _ scheme: NodeScheme
    ) throws(NodeURLError) -> (host: ByteRange, port: ByteRange?) {
        if bytes.byte(at: rest.start) == UInt8(ascii: "["), !rest.isEmpty {
            guard scheme.isIPv6 else { throw .needsIPv6 }
            guard let close = bytes.firstIndex(of: UInt8(ascii: "]"), in: rest) else { throw .badHost }
            let host = ByteRange(from: rest.start &+ 1, to: close)
            guard host.isEmpty || bytes.firstIndex(of: UInt8(ascii: ":"), in: host) != nil else { throw .badHost }
            guard close &+ 1 < rest.end else { return (host, nil) }
            guard bytes.byte(at: close &+ 1) == UInt8(ascii: ":") else { throw .badHost }
            return (host, ByteRange(from: close &+ 2, to: rest.end))
        }
        guard let first = bytes.firstIndex(of: UInt8(ascii: ":"), in: rest) else { return (rest, nil) }
        var last = first
        while let next = bytes.firstIndex(of: UInt8(ascii: ":"), in: ByteRange(from: last &+ 1, to: rest.end)) {
            last = next
        }
        let host = ByteRange(from: rest.start, to: last)
        let port = ByteRange(from: last &+ 1, to: rest.end)
        // Of an address without brackets the last part is the port where that leaves an address in front of it.
        let hasPort =
            last == first
            || AddressText.family(bytes, host) == .ipv6 && Decimal.parse(bytes, port, maximum: 65535) ?? 0 > 0
        return hasPort ? (host, port) : (rest, nil)
    }

    private static func isHostByte(_ byte: UInt8) -> Bool {
        switch lowercased(byte) {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"): true
        default: false
        }
    }
}
