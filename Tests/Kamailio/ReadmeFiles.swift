// SPDX-License-Identifier: GPL-2.0-or-later
// README.md taken apart, and the example files that stand behind its blocks.

import Foundation
import TestSupport

/// A fenced block of README.md.
struct ReadmeBlock: CustomStringConvertible {
    let language: String
    let text: String
    /// Where it begins, counted from 1.
    let line: Int

    var description: String { "README.md, line \(line)" }
}

/// README.md.
enum Readme {
    static func text() throws -> String {
        try String(contentsOfFile: "\(PackageFolder.root)/README.md", encoding: .utf8)
    }

    static func blocks() throws -> [ReadmeBlock] {
        var blocks: [ReadmeBlock] = []
        var open: (language: String, lines: [String], line: Int)?
        for (index, line) in try text().components(separatedBy: "\n").enumerated() {
            if line.hasPrefix("```") {
                if let block = open {
                    blocks.append(
                        ReadmeBlock(
                            language: block.language, text: block.lines.joined(separator: "\n"), line: block.line))
                    open = nil
                } else {
                    open = (String(line.dropFirst(3)), [], index + 1)
                }
            } else {
                open?.lines.append(line)
            }
        }
        return blocks
    }

    /// The block whose first line is this, without that line.
    static func output(of command: String) throws -> String {
        for block in try blocks() where block.text.hasPrefix("\(command)\n") {
            return String(block.text.dropFirst(command.count + 1))
        }
        throw HarnessError("README.md has no block that begins with \(command)")
    }

    /// The headings of the third level below the heading `chapter` of the second.
    static func sections(of chapter: String) throws -> [String] {
        var isInside = false
        var found: [String] = []
        for line in try text().components(separatedBy: "\n") {
            if line.hasPrefix("## ") { isInside = line == "## \(chapter)" }
            if isInside, line.hasPrefix("### ") { found.append(String(line.dropFirst(4))) }
        }
        return found
    }

    /// Everything that the pattern's group finds in a text.
    static func matches(_ pattern: String, in text: String) throws -> [String] {
        let expression = try NSRegularExpression(pattern: pattern)
        let whole = NSRange(text.startIndex..., in: text)
        return expression.matches(in: text, range: whole).compactMap { match in
            Range(match.range(at: 1), in: text).map { String(text[$0]) }
        }
    }
}

/// The example files in Tests/Fixtures/readme.
enum ReadmeExample {
    static func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "\(PackageFolder.root)/Tests/Fixtures/readme").sorted()
    }

    /// The configuration in a file as it stands, but for texts that a test puts in the place of others: addresses of
    /// relays, paths.
    static func configuration(_ name: String, _ replaced: [String: String] = [:]) throws -> KamailioConfiguration {
        var text = try PackageFolder.fixture("readme/\(name)")
        for (old, new) in replaced {
            guard text.contains(old) else { throw HarnessError("\(name) has no \(old)") }
            text = text.replacingOccurrences(of: old, with: new)
        }
        return KamailioConfiguration(complete: text)
    }

    /// Runs the file with scripted relays in the places of `urls`, once they were all found.
    static func run(
        _ name: String, relays urls: [String: ScriptedRelay], _ others: [String: String] = [:],
        body: (Kamailio) throws -> Void
    ) throws {
        let replaced = others.merging(urls.mapValues(\.url)) { $1 }
        try Kamailio.with(configuration(name, replaced)) { kamailio in
            let isSettled = try waitUntil(15, every: 20) {
                try kamailio.relays().count >= urls.count
                    && urls.values.allSatisfy { relay in relay.log.contains { $0.text == "VF 20081102" } }
            }
            guard isSettled else { throw HarnessError("the relays were not all found:\n\(kamailio.log.suffix(3000))") }
            try body(kamailio)
        }
    }
}
