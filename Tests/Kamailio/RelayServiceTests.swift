// SPDX-License-Identifier: GPL-2.0-or-later
// RTPProxy as a service: the unit and the launcher in examples/.

import Foundation
import TestSupport
import Testing

@Suite struct RelayServiceTests {
    private static let unit = "\(Example.folder)/systemd/rtpproxy.service"
    private static let python = "\(PackageFolder.root)/.cache/venv/bin/python"

    /// The unit with the wheel and the launcher of this package in the places of its own.
    private func text() throws -> String {
        try String(contentsOfFile: Self.unit, encoding: .utf8)
            .replacingOccurrences(of: "/opt/rtpproxy/bin/python", with: Self.python)
            .replacingOccurrences(of: "/opt/rtpproxy/rtpproxy.py", with: "\(Example.folder)/rtpproxy.py")
    }

    @Test func unitIsReadAndComesBeforeKamailio() throws {
        guard (try? ChildProcess.run("systemd-analyze", ["--version"]).end) == .exited(0) else { return }
        let folder = try TemporaryFolder()
        let file = try folder.write(text(), to: "rtpproxy.service")
        let read = try ChildProcess.run("systemd-analyze", ["verify", "--man=no", file], within: 30)
        #expect(read.end == .exited(0) && !read.output.contains("rtpproxy.service"), "\(read.output)")
        #expect(try text().contains("\nBefore=kamailio.service\n"))
    }

    /// Its command, with a port of this machine and a folder of its own, answers, and ends when it is told to.
    @Test func commandOfTheUnitRunsAndEnds() throws {
        let folder = try TemporaryFolder()
        let control = Endpoint(.ipv4, try FreePort.next())
        var values: [String: String] = [:]
        let lines = try text().split(separator: "\n").map(String.init)
        for line in lines where line.hasPrefix("Environment=") {
            for match in try Readme.matches(#"(\w+=(?:"[^"]*"|\S+))"#, in: String(line.dropFirst(12))) {
                let parts = match.split(separator: "=", maxSplits: 1).map(String.init)
                values[parts[0]] = parts[1].trimmingCharacters(in: CharacterSet(charactersIn: "\""))
            }
        }
        values["ADDRESS"] = "127.0.0.1"
        values["CONTROL"] = "udp:\(control)"
        var command = try #require(lines.first { $0.hasPrefix("ExecStart=") }).dropFirst(10).description
        for (name, value) in values {
            command = command.replacingOccurrences(of: "${\(name)}", with: value)
                .replacingOccurrences(of: "$\(name)", with: value)
        }
        command = command.replacingOccurrences(of: "/var/lib/rtpproxy", with: folder.path)
        #expect(!command.contains("$"))
        // As root it wants to be told that this is meant.
        let words = command.split(separator: " ").map(String.init) + ["-F"]
        let process = try ChildProcess(words[0], Array(words.dropFirst()), folder: folder.path)
        let socket = try UDPSocket()
        let answers = waitUntil(20) {
            socket.send(Array("c VF 20081224".utf8), to: control)
            return socket.receive(100).map { String(decoding: $0.bytes, as: UTF8.self) } == "c 1\n"
        }
        #expect(answers, "\(process.output.suffix(2000))")
        #expect(process.terminate(within: 5) == .exited(0))
    }
}
