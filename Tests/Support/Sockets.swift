// SPDX-License-Identifier: GPL-2.0-or-later
// Loopback addresses, UDP sockets with a time limit, and free ports.

import Foundation
import Synchronization

/// An address family of the loopback interface.
public enum Family: Sendable, Hashable {
    case ipv4, ipv6

    /// `127.0.0.1` or `::1`.
    public var loopback: String { self == .ipv4 ? "127.0.0.1" : "::1" }
    /// `IP4` or `IP6`, as SDP has it.
    public var inSDP: String { self == .ipv4 ? "IP4" : "IP6" }
    var domain: Int32 { self == .ipv4 ? AF_INET : AF_INET6 }
}

/// A numeric address and a port.
public struct Endpoint: Hashable, Sendable, CustomStringConvertible {
    public let host: String
    public let port: UInt16

    public init(_ host: String, _ port: UInt16) {
        self.host = host
        self.port = port
    }

    public init(_ family: Family, _ port: UInt16) {
        self.init(family.loopback, port)
    }

    public var family: Family { host.contains(":") ? .ipv6 : .ipv4 }
    /// The host as it stands in a URI: IPv6 in brackets.
    public var uriHost: String { family == .ipv6 ? "[\(host)]" : host }
    public var description: String { "\(uriHost):\(port)" }

    /// Hands the address to `body` in the form that the socket calls take.
    public func withSocketAddress<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        var storage = sockaddr_storage()
        let length: Int
        if family == .ipv4 {
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            inet_pton(AF_INET, host, &address.sin_addr)
            length = MemoryLayout<sockaddr_in>.size
            withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: address, as: sockaddr_in.self) }
        } else {
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            inet_pton(AF_INET6, host, &address.sin6_addr)
            length = MemoryLayout<sockaddr_in6>.size
            withUnsafeMutableBytes(of: &storage) { $0.storeBytes(of: address, as: sockaddr_in6.self) }
        }
        return withUnsafePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(length)) }
        }
    }

    init(_ storage: sockaddr_storage) {
        var storage = storage
        var text = [CChar](repeating: 0, count: 64)
        if storage.ss_family == sa_family_t(AF_INET6) {
            var address = withUnsafeBytes(of: &storage) { $0.load(as: sockaddr_in6.self) }
            inet_ntop(AF_INET6, &address.sin6_addr, &text, 64)
            port = UInt16(bigEndian: address.sin6_port)
        } else {
            var address = withUnsafeBytes(of: &storage) { $0.load(as: sockaddr_in.self) }
            inet_ntop(AF_INET, &address.sin_addr, &text, 64)
            port = UInt16(bigEndian: address.sin_port)
        }
        host = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// A UDP socket bound to the loopback interface.
public final class UDPSocket: Sendable {
    public let endpoint: Endpoint
    let descriptor: Int32

    /// Binds to `port`, or to one that the system chooses, on the family's loopback address or another one.
    public convenience init(_ family: Family = .ipv4, port: UInt16 = 0) throws {
        try self.init(at: Endpoint(family, port))
    }

    /// Binds to an address of this machine (127.0.0.2 is one too); port 0: the system chooses.
    public init(at wanted: Endpoint) throws {
        let family = wanted.family
        let made = socket(family.domain, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard made >= 0 else { throw HarnessError.system("socket") }
        var size: Int32 = 1 << 20
        setsockopt(made, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        // A process that is just being started holds whatever probed for a free port until it has become its program.
        var bound: Int32 = -1
        for _ in 0..<200 {
            bound = wanted.withSocketAddress { bind(made, $0, $1) }
            guard bound != 0, errno == EADDRINUSE else { break }
            usleep(10_000)
        }
        guard bound == 0 else {
            let error = HarnessError.system("bind to \(wanted)")
            close(made)
            throw error
        }
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { _ = getsockname(made, $0, &length) }
        }
        endpoint = Endpoint(storage)
        descriptor = made
    }

    deinit { close(descriptor) }

    /// Sends one datagram. A receive buffer holds few large ones: such a one waits until the destination, where that is
    /// a socket of this machine, has read what it has.
    public func send(_ bytes: [UInt8], to destination: Endpoint) {
        if bytes.count > 8192 { waitUntil(5, every: 2) { DatagramQueue(port: destination.port).waiting == 0 } }
        _ = destination.withSocketAddress { sendto(descriptor, bytes, bytes.count, 0, $0, $1) }
    }

    /// Waits for one datagram; nil where none came within `milliseconds`.
    public func receive(_ milliseconds: Int) -> (bytes: [UInt8], from: Endpoint)? {
        receive(until: monotonicMilliseconds() + scaled(milliseconds))
    }

    /// The same; nil where none came before `deadline`, a time of the monotonic clock.
    func receive(until deadline: Int) -> (bytes: [UInt8], from: Endpoint)? {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, Int32(clamping: max(0, deadline - monotonicMilliseconds()))) > 0 else { return nil }
        var bytes = [UInt8](repeating: 0, count: 65_536)
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let count = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                recvfrom(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT), $0, &length)
            }
        }
        guard count >= 0 else { return nil }
        return (Array(bytes[0..<count]), Endpoint(storage))
    }
}

/// What the kernel says of the datagrams for the UDP sockets on a port of this machine.
struct DatagramQueue {
    /// Bytes that wait to be read.
    private(set) var waiting = 0
    /// Datagrams for which there was no room.
    private(set) var dropped = 0

    init(port: UInt16) {
        let suffix = ":" + String(UInt32(port) + 0x1_0000, radix: 16, uppercase: true).suffix(4)
        for file in ["/proc/net/udp", "/proc/net/udp6"] {
            for line in ((try? String(contentsOfFile: file, encoding: .utf8)) ?? "").split(separator: "\n").dropFirst()
            {
                let words = line.split(separator: " ")
                guard words.count > 12, words[1].hasSuffix(suffix) else { continue }
                waiting += words[4].split(separator: ":").last.flatMap { Int($0, radix: 16) } ?? 0
                dropped += Int(words[12]) ?? 0
            }
        }
    }
}

/// Ports for programs that cannot choose one themselves.
public enum FreePort {
    /// A run of all tests uses up more ports than a range has: those that were given first are given again.
    private struct Given {
        var inOrder: [UInt16] = []
        var all: Set<UInt16> = []
    }
    private static let given = Mutex(Given())

    /// A port that is free for UDP and TCP on 127.0.0.1 and ::1, below the range that the system gives out for port 0,
    /// and not given out before in this process, except long ago. With `count`, that many in a row; the first is
    /// returned.
    public static func next(_ count: Int = 1, in range: ClosedRange<UInt16> = 10_000...19_999) throws -> UInt16 {
        try given.withLock { given in
            for _ in 0..<2 {
                for _ in 0..<500 {
                    let first = UInt16.random(in: range)
                    guard Int(first) + count - 1 <= Int(range.upperBound) else { continue }
                    let ports = (0..<UInt16(count)).map { first + $0 }
                    guard ports.allSatisfy({ !given.all.contains($0) && isFree($0) }) else { continue }
                    given.inOrder += ports
                    given.all.formUnion(ports)
                    return first
                }
                given.inOrder.removeFirst(given.inOrder.count / 2)
                given.all = Set(given.inOrder)
            }
            throw HarnessError("no free port in \(range)")
        }
    }

    private static func isFree(_ port: UInt16) -> Bool {
        for family in [Family.ipv4, .ipv6] {
            for kind in [SOCK_DGRAM, SOCK_STREAM] {
                let probe = socket(family.domain, Int32(kind.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
                guard probe >= 0 else { continue }
                defer { close(probe) }
                guard Endpoint(family, port).withSocketAddress({ bind(probe, $0, $1) }) == 0 else { return false }
            }
        }
        return true
    }
}
