// SPDX-License-Identifier: GPL-2.0-or-later
// Fixtures as files: the parts of one in one file, byte for byte.

/// A file of `Tests/Fixtures/sdp`, `webrtc`, `body`, `real` or `torture`.
///
///     %% options
///     to 192.0.2.99 40000
///
///     %% input
///     v=0
///
///     %% fault
///     noOrigin 0
///
/// A line `%% <name>` begins a part. The line end before such a line is not the part's own: an empty line there says
/// that the part's last line has a line end. The last part ends with the file.
package struct FixtureFile: Sendable {
    /// The file's name without `.fixture`.
    package let name: String
    /// The names of its parts, in order.
    package let parts: [String]
    private let contents: [String: [UInt8]]

    private static let folder = String(#filePath.dropLast("/FixtureFile.swift".count))

    /// All files of a folder of `Tests/Fixtures`, by name.
    package static func all(_ kind: String) -> [FixtureFile] {
        InputFile.names("\(folder)/\(kind)").compactMap { name in
            InputFile.read("\(folder)/\(kind)/\(name)").map { FixtureFile(name, $0) }
        }
    }

    /// What a file of this name with these bytes is.
    package init(_ file: String, _ bytes: [UInt8]) {
        name = file.hasSuffix(".fixture") ? String(file.dropLast(".fixture".count)) : file
        var parts: [String] = []
        var lines: [String: [ArraySlice<UInt8>]] = [:]
        for line in bytes.split(separator: 0x0A, omittingEmptySubsequences: false) {
            if line.starts(with: "%% ".utf8) {
                parts.append(String(decoding: line.dropFirst(3), as: UTF8.self))
            } else {
                // What stands before the first part shows as one without a name.
                if parts.isEmpty { parts.append("") }
                lines[parts[parts.count - 1], default: []].append(line)
            }
        }
        self.parts = parts
        contents = lines.mapValues { Array($0.joined(separator: [0x0A])) }
    }

    /// The bytes of a part; nil where there is no such part.
    package subscript(_ part: String) -> [UInt8]? { contents[part] }

    /// A part as text, without line ends behind it.
    package func text(_ part: String) -> String? {
        guard var bytes = contents[part] else { return nil }
        while bytes.last == 0x0A { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }
}
