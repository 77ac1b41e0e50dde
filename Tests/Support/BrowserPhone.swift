// SPDX-License-Identifier: GPL-2.0-or-later
// The page examples/webrtc/index.html in a headless browser.

import Foundation

/// A browser with the page, which sends a tone of 440 Hz.
public final class BrowserPhone {
    /// What the page's tone has.
    public static let tone = 440
    public let name: String
    public let process: ChildProcess
    private let console: Endpoint
    private let folder: TemporaryFolder

    /// Which browser.
    public enum Kind: String, Sendable {
        case chromium
        case firefox = "firefox-esr"

        fileprivate var program: String { "/usr/bin/\(rawValue)" }
        /// Firefox needs something that takes its sound.
        private var programs: [String] { self == .firefox ? [program, "/usr/bin/pulseaudio"] : [program] }
        public var isInstalled: Bool { programs.allSatisfy(FileManager.default.isExecutableFile(atPath:)) }
        public var need: String { "there is no \(programs.joined(separator: " or no ")): make setup" }
    }

    public static let isInstalled = Kind.chromium.isInstalled
    public static let need = Kind.chromium.need

    /// Something that the page has said on its console, or has failed with.
    public struct Event: Decodable, Sendable {
        public let event: String
        public let text: String?
    }

    private struct Answer: Decodable {
        let ok: Bool
        let error: String?
        let value: Value?

        /// What an expression has: a text, a number or a truth value, as text.
        struct Value: Decodable {
            let text: String
            init(from decoder: any Decoder) throws {
                let one = try decoder.singleValueContainer()
                if let text = try? one.decode(String.self) {
                    self.text = text
                } else if let truth = try? one.decode(Bool.self) {
                    text = String(truth)
                } else {
                    let number = try one.decode(Double.self)
                    text = number == number.rounded() ? String(Int(number)) : String(number)
                }
            }
        }
    }

    /// Opens the page for `sip:name@domain` and a server such as `wss://127.0.0.1:8443`, whose certificate it trusts.
    /// `settings`: further ones of the page. `isDeniedMicrophone`: nobody permits it.
    public init(
        _ name: String, server: String, trusting certificate: Certificate, domain: String = "127.0.0.1",
        settings: [String: String] = [:], isDeniedMicrophone: Bool = false, in kind: Kind = .chromium
    ) throws {
        self.name = name
        folder = try TemporaryFolder()
        console = Endpoint(.ipv4, try FreePort.next())
        var all = ["server": server, "address": "\(name)@\(domain)", "source": "tone"]
        all.merge(settings) { $1 }
        var parts = URLComponents(string: "file://\(PackageFolder.root)/examples/webrtc/index.html") ?? URLComponents()
        parts.fragment = all.map { "\($0.key)=\($0.value)" }.sorted().joined(separator: "&")
        process = try ChildProcess(
            RealRelay.python,
            [
                "\(PackageFolder.root)/Tests/Support/Agents/browser.py", "--url", parts.string ?? "", "--console",
                "\(console)", "--profile", folder.path, "--trust", certificate.keyHash, "--program", kind.program,
                "--port", String(try FreePort.next()),
            ] + (isDeniedMicrophone ? ["--deny"] : []))
        let process = process
        waitUntil(60) { !process.isRunning || process.output.contains("\"event\": \"ready\"") }
        guard process.isRunning, process.output.contains("\"event\": \"ready\"") else {
            throw HarnessError("the browser did not start: \(process.output.suffix(2000))")
        }
    }

    deinit { stop() }

    /// Ends it.
    public func stop() {
        guard process.isRunning else { return }
        _ = try? ask("quit")
        _ = process.wait(5)
        process.terminate(within: 0)
    }

    @discardableResult
    private func ask(_ command: String) throws -> String {
        let socket = try UDPSocket()
        socket.send(Array(command.utf8), to: console)
        guard let (bytes, _) = socket.receive(30_000) else {
            throw HarnessError("the browser does not answer \(command): \(process.output.suffix(2000))")
        }
        let answer = try JSONDecoder().decode(Answer.self, from: Data(bytes))
        guard answer.ok else { throw HarnessError("\(command): \(answer.error ?? "failed")") }
        return answer.value?.text ?? ""
    }

    /// The value of an expression of JavaScript in the page; empty where it has none.
    @discardableResult
    public func evaluate(_ expression: String) throws -> String { try ask("eval \(expression)") }

    /// Writes a picture of the page.
    public func photograph(to path: String, width: Int, height: Int, isDark: Bool) throws {
        try ask("screenshot \(path) \(width) \(height) \(isDark ? "dark" : "light")")
    }

    /// Presses a button of the page.
    public func click(_ button: String) throws { try evaluate("at('\(button)').click()") }

    /// What a part of the page says.
    public func text(_ part: String) throws -> String { try evaluate("at('\(part)').textContent") }

    /// Waits until a part of the page says something with `wanted` in it.
    public func expect(_ part: String, _ wanted: String, seconds: Double = 20) throws {
        guard waitUntil(seconds, every: 50, { (try? text(part))?.contains(wanted) ?? false }) else {
            throw HarnessError(
                "\(part) of the page of \(name) does not say \(wanted): \(try text(part))\n\(describe())")
        }
    }

    /// All that the page says, but for its log.
    public func describe() -> String {
        let said = try? evaluate(
            """
            ["registration", "state", "advice", "sent", "heard", "direction", "way", "ice", "dtls", "packets"]
                .map(part => part + ": " + at(part).textContent).join("\\n")
            """)
        return said ?? "nothing"
    }

    /// Registers.
    public func register() throws {
        try click("register")
        try expect("registration", "registered as")
    }

    /// Begins a call.
    public func call(_ who: String) throws {
        try evaluate("at('target').value = \"\(who)\"")
        try click("call")
    }

    /// Whether it hears a tone of this frequency, within 3 %, in a while.
    public func hears(_ frequency: Int, seconds: Double = 15) -> Bool {
        waitUntil(seconds, every: 100) {
            guard let words = (try? text("heard"))?.split(separator: " "), words.count > 2, let found = Int(words[1])
            else { return false }
            return abs(found - frequency) <= frequency * 3 / 100
        }
    }

    /// The messages that it has sent or received, in order.
    public func messages() throws -> [String] {
        try evaluate("[...document.querySelectorAll('#log pre')].reverse().map(one => one.textContent).join('\\0')")
            .components(separatedBy: "\0")
    }

    /// What the page has said on its console, and its failures.
    public func events() -> [Event] {
        process.output.split(separator: "\n").compactMap { line in
            try? JSONDecoder().decode(Event.self, from: Data(line.utf8))
        }
    }

    /// What has failed in the page.
    public func problems() -> [String] { events().filter { $0.event == "problem" }.compactMap(\.text) }
}
