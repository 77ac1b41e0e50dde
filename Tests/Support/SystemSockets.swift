// SPDX-License-Identifier: GPL-2.0-or-later
// The UDP sockets of this machine, as the kernel lists them.

import Foundation

/// The lines of /proc/net/udp, each in its columns: the local address is the second, the inode the tenth, the drops the
/// last one.
public func systemUDPSockets() throws -> [[Substring]] {
    // A file without a size: it is read to its end.
    let file = try FileHandle(forReadingFrom: URL(filePath: "/proc/net/udp"))
    let text = String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
    return text.split(separator: "\n").map { $0.split(separator: " ") }
}
