// SPDX-License-Identifier: GPL-2.0-or-later
// Sockets of loopback at which nobody answers, and what a test leaves open.

import Bytes
import Foundation
import Glibc
import TestSupport
import Testing

@testable import Transport

/// A UDP socket on a free port of 127.0.0.1, which the caller closes.
func bindLoopback() throws -> (descriptor: Int32, address: SocketAddress) {
    let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
    try #require(descriptor >= 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let port = try UInt16(bigEndian: bound(descriptor, &address).sin_port)
    return (descriptor, try #require(.loopback(port: port, isIPv6: false)))
}

private func bound<Address>(_ descriptor: Int32, _ address: inout Address) throws -> Address {
    var length = socklen_t(MemoryLayout<Address>.size)
    let result = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(descriptor, $0, length) == 0 ? getsockname(descriptor, $0, &length) : -1
        }
    }
    try #require(result == 0)
    return address
}

/// A unix socket in a folder of its own, which the caller removes.
func bindUnix() throws -> (descriptor: Int32, path: [UInt8], folder: URL) {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("t\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let path = Array(folder.appendingPathComponent("s").path.utf8)
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    try #require(descriptor >= 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
    _ = try bound(descriptor, &address)
    return (descriptor, path, folder)
}

/// A place where nobody is any more.
func deserted(_ way: Way) throws -> Place {
    switch way {
    case .unix, .cunix:
        let (descriptor, path, _) = try bindUnix()
        Glibc.close(descriptor)
        // The socket's file is left, as a dead RTPProxy's is.
        return Place(framing: way.framing, path: path)
    case .udp, .udp6, .tcp, .tcp6:
        return Place(framing: way.framing, address: .loopback(port: try FreePort.next(), isIPv6: way.isIPv6))
    }
}

/// That `work` leaves no descriptor open. Other tests of this process open theirs meanwhile, so it has some tries: what
/// leaves one open does so each time.
func expectNothingStaysOpen(_ work: () throws -> Void) throws {
    var left: Set<String> = []
    for _ in 0..<8 {
        let before = openDescriptors()
        try work()
        left = openDescriptors().subtracting(before)
        // The listing itself has one open.
        if left.count <= 1 { return }
    }
    Issue.record("stays open: \(left.sorted())")
}

/// Descriptors that this process has open.
private func openDescriptors() -> Set<String> {
    Set((try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? [])
}
