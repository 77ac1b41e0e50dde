// SPDX-License-Identifier: GPL-2.0-or-later
// Small scripted RTPProxies on loopback, each on a thread of its own.

import Bytes
import Foundation
import Glibc
import Synchronization
import Testing

@testable import Transport

/// What a responder has seen and how many threads of it run.
final class Record: Sendable {
    private let lines = Mutex<[String]>([])
    private let stopped = Mutex(false)

    var seen: [String] { lines.withLock { $0 } }
    var isStopped: Bool { stopped.withLock { $0 } }
    func note(_ line: String) -> Int {
        lines.withLock {
            $0.append(line)
            return $0.count - 1
        }
    }
    func stop() { stopped.withLock { $0 = true } }
}

func waitReadable(_ descriptor: Int32, milliseconds: Int32 = 20) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&entry, 1, milliseconds) > 0
}

/// Runs `body` on a thread; `join` waits for its end.
final class Worker: Sendable {
    private let done = DispatchSemaphore(value: 0)

    init(_ body: @escaping @Sendable () -> Void) {
        Thread.detachNewThread { [done] in
            body()
            done.signal()
        }
    }

    func join() { done.wait() }
}

/// A UDP socket on a free loopback port that answers what `answer` says to each datagram: any number of datagrams.
/// `answer` gets the datagram's number and its text.
func withDatagramResponder(
    isIPv6: Bool = false, _ answer: @escaping @Sendable (Int, String) -> [String],
    _ body: (SocketAddress, Record) throws -> Void
) throws {
    let (descriptor, address) = try bindLoopback(isIPv6: isIPv6)
    let record = Record()
    let worker = Worker {
        var buffer = [UInt8](repeating: 0, count: 65536)
        while !record.isStopped {
            guard waitReadable(descriptor) else { continue }
            var from = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let got = withUnsafeMutablePointer(to: &from) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    recvfrom(descriptor, &buffer, buffer.count, 0, $0, &length)
                }
            }
            guard got >= 0 else { continue }
            let text = String(decoding: buffer[..<got], as: UTF8.self)
            for reply in answer(record.note(text), text) {
                let bytes = Array(reply.utf8)
                _ = withUnsafePointer(to: &from) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        sendto(descriptor, bytes, bytes.count, 0, $0, length)
                    }
                }
            }
        }
        Glibc.close(descriptor)
    }
    defer {
        record.stop()
        worker.join()
    }
    try body(address, record)
}

/// A UDP or, where `isStream`, a TCP socket on a free loopback port.
func bindLoopback(
    isIPv6: Bool = false, isStream: Bool = false
) throws -> (descriptor: Int32, address: SocketAddress) {
    let kind = isStream ? SOCK_STREAM : SOCK_DGRAM
    let descriptor = socket(isIPv6 ? AF_INET6 : AF_INET, Int32(kind.rawValue), 0)
    try #require(descriptor >= 0)
    var port: UInt16 = 0
    if isIPv6 {
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_addr = in6addr_loopback
        port = try UInt16(bigEndian: bound(descriptor, &address).sin6_port)
    } else {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        port = try UInt16(bigEndian: bound(descriptor, &address).sin_port)
    }
    let words: (UInt64, UInt64, UInt64) =
        isIPv6 ? (6 | UInt64(port) << 16, 0, 1) : (4 | UInt64(port) << 16, 0x7F00_0001, 0)
    return (descriptor, try #require(SocketAddress(words: words)))
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

/// What a unix responder does with a connection, after it has read the command.
enum StreamAnswer: Sendable {
    case reply(String)
    /// One byte after the other, then nothing.
    case drip(String)
    case close
    /// Holds the connection open and never answers.
    case silence
}

/// A unix socket in a folder of its own that takes one command per connection, each connection on its own thread.
func withUnixResponder(
    backlog: Int32 = 64, accepts: Bool = true, _ answer: @escaping @Sendable (Int, String) -> StreamAnswer,
    _ body: ([UInt8], Record) throws -> Void
) throws {
    let (descriptor, path, folder) = try bindUnix()
    defer { try? FileManager.default.removeItem(at: folder) }
    try #require(listen(descriptor, backlog) == 0)

    let record = Record()
    let worker = Worker {
        var open: [Worker] = []
        while !record.isStopped {
            guard accepts, waitReadable(descriptor) else {
                if !accepts { usleep(20_000) }
                continue
            }
            let connection = accept(descriptor, nil, nil)
            guard connection >= 0 else { continue }
            open.append(Worker { serve(connection, record, answer) })
        }
        for connection in open { connection.join() }
        Glibc.close(descriptor)
    }
    defer {
        record.stop()
        worker.join()
    }
    try body(path, record)
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

private func serve(_ connection: Int32, _ record: Record, _ answer: (Int, String) -> StreamAnswer) {
    defer { Glibc.close(connection) }
    var command: [UInt8] = []
    var byte: UInt8 = 0
    while !record.isStopped, byte != 0x0A {
        guard waitReadable(connection) else { continue }
        guard recv(connection, &byte, 1, 0) == 1 else { return }
        command.append(byte)
    }
    let text = String(decoding: command, as: UTF8.self)
    switch answer(record.note(text), text) {
    case .reply(let reply): send(connection, Array(reply.utf8), reply.utf8.count, Int32(MSG_NOSIGNAL))
    case .drip(let reply):
        for byte in reply.utf8 {
            send(connection, [byte], 1, Int32(MSG_NOSIGNAL))
            usleep(1000)
        }
        while !record.isStopped { usleep(5000) }
    case .close: break
    case .silence: while !record.isStopped { usleep(5000) }
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
