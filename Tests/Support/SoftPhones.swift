// SPDX-License-Identifier: GPL-2.0-or-later
// Real phones, programs of Debian: baresip and linphonec, without a sound card, driven by their consoles.

import Foundation

/// A phone that is a program.
public protocol SoftPhone: AnyObject {
    /// `sip:name@registrar`.
    var address: String { get }
    var process: ChildProcess { get }
    /// Where the sound that it hears is written to, as 16-bit samples.
    var soundFile: String? { get }
    /// Types a line at its console.
    func type(_ line: String) throws
}

extension SoftPhone {
    /// What it has printed, without colours, in lines that end in LF.
    public var printed: String {
        process.output.replacingOccurrences(of: "\r\n", with: "\n").replacing(#/\u{1B}\[[0-9;]*m/#, with: "")
    }

    /// Waits until it has printed a text `count` times.
    public func expect(_ text: String, count: Int = 1) throws {
        guard waitUntil(10, { printed.components(separatedBy: text).count > count }) else {
            throw HarnessError("\(address) did not print \(text):\n\(printed.suffix(4000))")
        }
    }

    /// The loud samples that it has heard: of the tone of another phone about two of three.
    public var loudSamples: Int {
        guard let file = soundFile, let data = FileManager.default.contents(atPath: file), data.count > 44 else {
            return 0
        }
        let bytes = [UInt8](data.dropFirst(44))
        return stride(from: 0, to: bytes.count - 1, by: 2).count {
            abs(Int(Int16(bitPattern: UInt16(bytes[$0]) | UInt16(bytes[$0 + 1]) << 8))) > 6000
        }
    }

    /// Whether half a second more of a tone is heard from now on.
    public func hearsATone() -> Bool {
        let before = loudSamples
        return waitUntil(10) { loudSamples > before + 2500 }
    }

    /// Ends it, by its own process id.
    public func stop() { process.terminate(within: 3) }
}

/// A minute of a tone, as 16-bit samples at 8 kHz.
enum Tone {
    static func write(to path: String) throws {
        let samples = 60 * 8000
        func number(_ value: Int, _ bytes: Int) -> [UInt8] { (0..<bytes).map { UInt8(value >> (8 * $0) & 0xFF) } }
        var wave = Array("RIFF".utf8) + number(36 + samples * 2, 4) + Array("WAVEfmt ".utf8)
        wave += number(16, 4) + number(1, 2) + number(1, 2) + number(8000, 4) + number(16_000, 4) + number(2, 2)
        wave += number(16, 2) + Array("data".utf8) + number(samples * 2, 4)
        // 400 Hz, as a square: loud in each sample.
        for index in 0..<samples { wave += number((index / 10) % 2 == 0 ? 12_000 : 0x1_0000 - 12_000, 2) }
        try Data(wave).write(to: URL(fileURLWithPath: path))
    }
}

/// baresip, at an address of a network. It makes a tone, and a moving picture where the other side takes one.
public final class Baresip: SoftPhone {
    public let address: String
    public let process: ChildProcess
    private let folder: TemporaryFolder
    private let console: Endpoint
    private let network: NetworkNamespace

    public static let isInstalled =
        FileManager.default.isExecutableFile(atPath: "/usr/bin/baresip")
        && !modules.isEmpty
    private static var modules: String {
        let places = ["/usr/lib/baresip/modules", "/usr/lib/x86_64-linux-gnu/baresip/modules"]
        return places.first { FileManager.default.fileExists(atPath: $0 + "/cons.so") } ?? ""
    }

    /// `account`: further parameters of the account, such as `answermode=auto` and `mediaenc=srtp-mand`.
    public init(
        _ name: String, at place: String, registrar: String, in network: NetworkNamespace, account: [String] = []
    ) throws {
        self.network = network
        folder = try TemporaryFolder()
        address = "sip:\(name)@\(Endpoint(registrar, 5060).uriHost)"
        try Tone.write(to: folder.file("tone.wav"))
        let ports = try network.inside { (try FreePort.next(), try FreePort.next(in: 22_000...31_000)) }
        console = Endpoint("127.0.0.1", ports.0)
        let modules = ["cons", "g711", "aufile", "aubridge", "sndfile", "vp8", "fakevideo", "srtp", "ice"]
        let settings =
            ["module_path \(Self.modules)"] + modules.map { "module \($0).so" } + [
                "module_tmp account.so", "module_app menu.so", "snd_path \(folder.path)",
                "sip_listen \(Endpoint(place, ports.1))", "cons_listen \(console)", "net_interface \(place)",
                "audio_source aufile,\(folder.file("tone.wav"))", "audio_player aubridge,\(name)",
                "audio_alert aubridge,\(name)-alert", "video_source fakevideo,x", "video_display fakevideo,x", "",
            ]
        try folder.write(settings.joined(separator: "\n"), to: "config")
        let parameters = (["auth_pass=none", "regint=60"] + account).map { ";" + $0 }.joined()
        try folder.write("<\(address)>\(parameters)\n", to: "accounts")
        try folder.write("", to: "contacts")
        let path = folder.path
        process = try network.inside { try ChildProcess("baresip", ["-v", "-s", "-f", path], folder: path) }
        try expect("[1 binding]")
    }

    public var soundFile: String? {
        let files = try? FileManager.default.contentsOfDirectory(atPath: folder.path)
        return files?.filter { $0.hasSuffix("-dec.wav") }.sorted().last.map { folder.file($0) }
    }

    public func type(_ line: String) throws {
        let socket = try network.inside { try UDPSocket() }
        socket.send(Array("\(line)\n".utf8), to: console)
        _ = socket.receive(200)
    }
}

/// linphonec, whose Contact is the GRUU that the registrar has given it.
public final class Linphone: SoftPhone {
    public let address: String
    public let process: ChildProcess
    private let folder: TemporaryFolder
    private let keyboard: FileHandle
    public let soundFile: String?

    public static let isInstalled = FileManager.default.isExecutableFile(atPath: "/usr/bin/linphonec")

    /// Answers by itself where `answers`.
    public init(
        _ name: String, at place: String, registrar: String, in network: NetworkNamespace, answers: Bool = true
    ) throws {
        folder = try TemporaryFolder()
        address = "sip:\(name)@\(registrar)"
        try Tone.write(to: folder.file("tone.wav"))
        let port = try network.inside { try FreePort.next(in: 22_000...31_000) }
        let settings = [
            "[sip]", "sip_port=\(port)", "sip_tcp_port=0", "sip_tls_port=0", "use_ipv6=0", "bind_address=\(place)",
            "[sound]", "echocancellation=0", "remote_ring=", "",
        ]
        try folder.write(settings.joined(separator: "\n"), to: "settings")
        let made = folder.file(".local/share/linphone")
        try FileManager.default.createDirectory(atPath: made, withIntermediateDirectories: true)
        guard mkfifo(folder.file("keyboard"), 0o600) == 0,
            let opened = FileHandle(forUpdatingAtPath: folder.file("keyboard"))
        else { throw HarnessError.system("mkfifo") }
        keyboard = opened
        soundFile = folder.file("heard.wav")
        let arguments = (answers ? ["-a"] : []) + ["-d", "0", "-c", folder.file("settings")]
        let (path, fifo) = (folder.path, folder.file("keyboard"))
        process = try network.inside {
            try ChildProcess(
                "sh", ["-c", "exec linphonec \"$@\" <\(fifo)", "linphonec"] + arguments, environment: ["HOME": path])
        }
        try expect("linphonec>")
        for line in [
            "soundcard use files", "play \(folder.file("tone.wav"))", "record \(folder.file("heard.wav"))",
            "register \(address) \(registrar) none",
        ] { try type(line) }
        guard
            waitUntil(
                10, every: 300,
                {
                    try? type("status register")
                    return printed.contains("registered, identity=")
                })
        else { throw HarnessError("\(address) could not register: \(printed)") }
    }

    public func type(_ line: String) throws { try keyboard.write(contentsOf: Data("\(line)\n".utf8)) }
}
