// SPDX-License-Identifier: GPL-2.0-or-later
// Network addresses of nodes as plain words, and how a host becomes one.

package import Bytes
private import CPosix

/// Address and port of a datagram or TCP node, as three words that fit shared atomics.
///
/// First word: kind (4 or 6) in bits 0 to 7, port in bits 16 to 31, IPv6 scope in bits 32 to 63. Second and third:
/// the address in network order; an IPv4 address is the low half of the second.
package struct SocketAddress: Equatable, Sendable {
    private let first: UInt64
    private let second: UInt64
    private let third: UInt64

    /// The address that `words` gave; nil where they are none, such as three zeros for 'not resolved'.
    package init?(words: (UInt64, UInt64, UInt64)) {
        let kind = words.0 & 0xFF
        guard kind == 4 || kind == 6 else { return nil }
        (first, second, third) = words
    }

    package var words: (UInt64, UInt64, UInt64) { (first, second, third) }
    package var isIPv6: Bool { first & 0xFF == 6 }
    package var port: UInt16 { UInt16(truncatingIfNeeded: first >> 16) }
}

/// Why a host has no address.
package enum ResolveError: Error, Equatable, Sendable {
    case notFound, tryAgain, failed, noAddress

    /// From the EAI_ code of a failure.
    init(code: Int32) {
        self =
            switch code {
            case EAI_AGAIN: .tryAgain
            case EAI_NONAME, EAI_NODATA, EAI_ADDRFAMILY: .notFound
            default: .failed
            }
    }

    /// A few words for a log line that names the URL.
    package var text: StaticString {
        switch self {
        case .notFound: "host name does not resolve"
        case .tryAgain: "name service does not answer"
        case .failed: "name service fails"
        case .noAddress: "a unix socket has no network address"
        }
    }
}

/// From hosts to addresses.
package enum Resolver {
    /// The address that the host at `range` spells in digits, or nil. Never blocks; nil for unix sockets.
    package static func numeric(
        _ bytes: Span<UInt8>, _ range: ByteRange, port: UInt16, scheme: NodeScheme
    ) -> SocketAddress? {
        try? look(bytes, range, port, scheme, numericOnly: true)
    }

    /// The address of `url`, parsed from the beginning of `bytes`, if it is given in digits. Never blocks.
    package static func numeric(_ bytes: Span<UInt8>, _ url: NodeURL) -> SocketAddress? {
        numeric(bytes, url.target, port: url.port, scheme: url.scheme)
    }

    /// The first address of `url`, parsed from the beginning of `bytes`. **May block for as long as the system's
    /// resolver does**: not for a process that serves calls.
    package static func resolve(_ bytes: Span<UInt8>, _ url: NodeURL) throws(ResolveError) -> SocketAddress {
        try look(bytes, url.target, url.port, url.scheme, numericOnly: false)
    }

    /// The port of the service whose name stands at `range`, as this system has it for the scheme's transport; nil where
    /// it has none. Reads the system's table the first time that a name is looked for, before the fork or after.
    static func servicePort(_ bytes: Span<UInt8>, _ range: ByteRange, _ scheme: NodeScheme) -> UInt16? {
        let name = bytes.clamped(range)
        guard !name.isEmpty else { return nil }
        // SAFETY: `name` lies within `bytes`, as clamped(_:) upholds; the callee keeps a copy.
        let port = unsafe bytes.withUnsafeBufferPointer { text in
            // NO TRAP: name comes from clamped() and is not empty: it lies within the text.
            unsafe cposix_service_port(
                text.baseAddress.map { unsafe $0 + name.start }, name.count, scheme.framing == .pipeline)
        }
        return port == 0 ? nil : port
    }

    private static func look(
        _ bytes: Span<UInt8>, _ range: ByteRange, _ port: UInt16, _ scheme: NodeScheme, numericOnly: Bool
    ) throws(ResolveError) -> SocketAddress {
        guard !scheme.isUnix else { throw .noAddress }
        let host = bytes.clamped(range)
        guard !host.isEmpty else { throw .notFound }
        let kind = scheme.isIPv6 ? CPOSIX_IPV6 : CPOSIX_IPV4
        var found = cposix_address()
        // SAFETY: `host` lies within `bytes`, as clamped(_:) upholds; the callee keeps neither pointer.
        let result = unsafe bytes.withUnsafeBufferPointer { text in
            // NO TRAP: host is clamped and not empty; 4 or 6.
            unsafe cposix_resolve(
                text.baseAddress.map { unsafe $0 + host.start }, host.count, port, Int32(kind), numericOnly,
                &found)
        }
        guard result == 0 else { throw ResolveError(code: result) }
        guard let address = SocketAddress(words: (found.words.0, found.words.1, found.words.2)) else { throw .failed }
        return address
    }
}
