// SPDX-License-Identifier: GPL-2.0-or-later
// README.md and docs/ taken apart, and the example files that stand behind their blocks.

import Foundation
import TestSupport

/// A fenced block of the documentation.
struct ReadmeBlock: CustomStringConvertible {
    let page: String
    let language: String
    let text: String
    /// Where it begins in the page, counted from 1.
    let line: Int

    var description: String { "\(page), line \(line)" }
}

/// README.md and the pages of docs/ behind it.
enum Readme {
    /// The pages by their path in the project, README.md first.
    static let pages: [(path: String, text: String)] = {
        let folders = ["operator", "developer"].map { "docs/\($0)" }
        let paths = folders.flatMap { folder in
            (try? FileManager.default.contentsOfDirectory(atPath: "\(PackageFolder.root)/\(folder)"))?.sorted()
                .filter { $0.hasSuffix(".md") }.map { "\(folder)/\($0)" } ?? []
        }
        return (["README.md"] + paths).map { path in
            (path, (try? String(contentsOfFile: "\(PackageFolder.root)/\(path)", encoding: .utf8)) ?? "")
        }
    }()

    /// All pages, one behind the other.
    static func text() throws -> String {
        guard pages.count > 12, pages.allSatisfy({ !$0.text.isEmpty }) else {
            throw HarnessError("pages are missing: \(pages.map(\.path))")
        }
        return pages.map(\.text).joined(separator: "\n")
    }

    static func blocks() throws -> [ReadmeBlock] { pages.flatMap { blocks(of: $0.path, $0.text) } }

    private static func blocks(of page: String, _ text: String) -> [ReadmeBlock] {
        var blocks: [ReadmeBlock] = []
        var open: (language: String, lines: [String], line: Int)?
        for (index, line) in text.components(separatedBy: "\n").enumerated() {
            if line.hasPrefix("```") {
                if let block = open {
                    let text = block.lines.joined(separator: "\n")
                    blocks.append(ReadmeBlock(page: page, language: block.language, text: text, line: block.line))
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
        throw HarnessError("the documentation has no block that begins with \(command)")
    }

    /// The headings of a page, each with its level, outside of blocks.
    private static func headings(of text: String) -> [(level: Int, text: String, line: Int)] {
        var isBlock = false
        return text.components(separatedBy: "\n").enumerated().compactMap { index, line in
            if line.hasPrefix("```") { isBlock.toggle() }
            let level = line.prefix { $0 == "#" }.count
            guard !isBlock, level > 0, line.dropFirst(level).first == " " else { return nil }
            return (level, String(line.dropFirst(level + 1)), index)
        }
    }

    /// The names by which others link to the headings of a page.
    static func anchors(of text: String) -> Set<String> {
        Set(
            headings(of: text).map { heading in
                heading.text.lowercased().filter { $0.isLetter || $0.isNumber || " -_".contains($0) }
                    .replacingOccurrences(of: " ", with: "-")
            })
    }

    /// What stands below a heading, up to the next one of its level.
    static func chapter(_ name: String) throws -> String {
        for page in pages {
            let all = headings(of: page.text)
            guard let place = all.firstIndex(where: { $0.text == name }) else { continue }
            let lines = page.text.components(separatedBy: "\n")
            let end = all[(place + 1)...].first { $0.level <= all[place].level }?.line ?? lines.count
            return lines[all[place].line..<end].joined(separator: "\n")
        }
        throw HarnessError("the documentation has no chapter \(name)")
    }

    /// The headings one level below that of a chapter.
    static func sections(of name: String) throws -> [String] {
        let all = headings(of: try chapter(name))
        return all.filter { $0.level == (all.first?.level ?? 0) + 1 }.map(\.text)
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
            guard kamailio.waitUntilUp(Array(urls.values)) else {
                throw HarnessError("the relays were not all found:\n\(kamailio.log.suffix(3000))")
            }
            try body(kamailio)
        }
    }
}
