// SPDX-License-Identifier: GPL-2.0-or-later
// Inputs to begin with, made of the fixtures, and those that are kept because they once broke something.

import Fixtures

/// An input with a name.
package struct Seed: Sendable {
    package let name: String
    package let bytes: [UInt8]

    package init(_ name: String, _ bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
    }

    init(_ name: String, _ text: String) { self.init(name, Array(text.utf8)) }
}

package enum Seeds {
    /// `Tests`.
    private static let tests = String(#filePath.dropLast("/Fuzz/Properties/Seeds.swift".count))

    /// Inputs that make the target do what it is there for.
    package static func of(_ target: FuzzTarget) -> [Seed] {
        switch target {
        case .sdp:
            fixtures("sdp") { [$0["options"] ?? [], divider, $0["input"]] }
                + fixtures("webrtc") { [$0["options"] ?? [], divider, $0["input"]] }
        case .multipart: fixtures("body", bodyInput)
        case .calls: callSeeds + fixtures("sdp") { [divider, $0["input"]] } + fixtures("body", bodyCall)
        case .flags: numbered(["", "rfo", "z20", "1b", "2", "3", "iet", "eix", "AwLc", "z", "z1000", "raz999b"])
        case .replies: numbered(replies)
        case .sock: numbered(socks)
        case .url: numbered(urls)
        case .notifications: numbered(["call-1\n", "call-1\r\ncall-2\ncall-1\n", "\n\r\n a b\n", "%41%2F\nopen"])
        case .jobs: [Seed("zeros", [UInt8](repeating: 0, count: 192)), Seed("texts", jobTexts)]
        case .fleet: FleetProperties.seeds()
        }
    }

    /// Inputs that broke something once, or were made to.
    package static func kept(_ target: FuzzTarget) -> [Seed] {
        let folder = "\(tests)/Fuzz/Kept/\(target.rawValue)"
        return InputFile.names(folder).compactMap { name in
            InputFile.read("\(folder)/\(name)").map { Seed(name, $0) }
        }
    }

    // MARK: - Fixtures

    private static let divider = Array("%%\n".utf8)

    /// An input for each fixture, of the parts that `make` takes from its file; none where one is missing.
    private static func fixtures(_ kind: String, _ make: (FixtureFile) -> [[UInt8]?]) -> [Seed] {
        FixtureFile.all(kind).compactMap { file in
            let parts = make(file)
            return parts.contains { $0 == nil } ? nil : Seed(file.name, Array(parts.compactMap { $0 }.joined()))
        }
    }

    private static func bodyInput(_ file: FixtureFile) -> [[UInt8]?] {
        [line("T", file["content-type"]), line("L", file["content-length"]), divider, file["input"]]
    }

    private static func bodyCall(_ file: FixtureFile) -> [[UInt8]?] {
        [
            line("C", file["content-type"] ?? [UInt8(ascii: "-")]), line("L", file["content-length"]), divider,
            file["input"],
        ]
    }

    private static func line(_ letter: String, _ text: [UInt8]?) -> [UInt8] {
        guard let text else { return [] }
        var line = Array("\(letter) ".utf8)
        for byte in text {
            switch byte {
            case 0x0A: line += Array("\\n".utf8)
            case 0x0D: line += Array("\\r".utf8)
            case UInt8(ascii: "\\"): line += Array("\\\\".utf8)
            default: line.append(byte)
            }
        }
        return line + [0x0A]
    }

    // MARK: - By hand

    private static func numbered(_ texts: [String]) -> [Seed] {
        texts.enumerated().map { Seed("\($0.offset)", $0.element) }
    }

    private static let replies = [
        "35000 192.0.2.77", "35000", "0", "1", "E50", "e8", "E999999", "65536 192.0.2.1", "35000 2001:db8::1",
        "35000 ::ffff:192.0.2.1", "20040107", "60 10 20 30 0", "ttl=60 npkts_ina=1 rtpa_nlost=2",
        "rtpa_jlast=8.5 rtpa_jmax=16.000001 rtpa_javg=0.1", "longest_ipi=0.02",
        "@0 1\n@1 0\r\n@2 E50\nno cookie\n@0 2\n@3 \n@3 1", "@0 35000 192.0.2.77\n@0 35001\n@1\n@2  ",
        "35000 192.0.2.77 && 0 && passive SHA-256 " + String(repeating: "AB:", count: 31) + "CD"
            + " && +3b/ axTYoelNYZhtkDu7TDbF+kJT c:7f000001%201%20UDP%201%20127.0.0.1%2035470%20typ%20host",
        "35000 && 0 && -1",
    ]

    private static let socks = [
        "udp:127.0.0.1:22222", "1 == udp:localhost=2 udp6:[::1]:22225=0", "unix:/run/a=b=3\n1 == /run/x ./y\n1==tcp:h",
        "2 == udp6:::1:22226\tcunix:/x", "0 == udp:a=x udp:b:0 nonsense", " == udp:a", "1 ==",
        "udp:a\n1 == udp:b\nudp:c",
    ]

    private static let urls = [
        "udp:127.0.0.1:22222", "UDP:host", "udp6:[::1]:1", "udp6:::1:22226", "udp6:name:65535", "unix:/run/s", "/run/s",
        "./s", "cunix:s", "tcp:192.0.2.1:1", "tcp6:[2001:db8::1%eth0]", "udp:[::1]", "udp6:[]:1", "tcp6:fe80::1",
    ]

    private static let jobTexts: [UInt8] = {
        let texts = [
            "call-1", "ft", "tt", "b1", "b2", "application/sdp", audio, "192.0.2.1", "192.0.2.2", "rfo", "", "", "", "",
        ]
        return texts.map { UInt8($0.utf8.count) } + texts.flatMap { Array($0.utf8) }
    }()

    private static let audio =
        "v=0\r\no=a 1 2 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 5004 RTP/AVP 0 101\r\n"

    private static let callSeeds = [
        "o rfo\n", "o\nd\n", "o\nT tt\nN 200\na\ns\nf rtpa_nrcvd\n", "a\nT tt\nN 200\nI other\n", "a 1\nT tt\nM 2\n",
        "m\nM 3\nT tt\n",
        "m 3\nQ 2\nT tt\nN 183\n", "u\nv\nT tt\nN 200\n", "u\nH 1\n", "u\nH 2\n", "n\nw\nT tt\n", "w t\nT tt\nM 3\n",
        "p prompt\nq\nr\nT tt\n", "e 1\no rz20x\n", "o\nB 1\n", "e 1\no\nB 1\nG tag\nX leg\n", "o b\nX leg\nP 1\n",
        "u rb\nX leg\nB 1\n",
        "o\n> 40000 2001:db8::1\n", "o\n> E8\n> 0\n", "o\n> -\n> !x\n> +1 1.2.3.4\n", "o\nB 1\n> !E\n> !7\n> !\n",
        "s 2\nf jitter\nT tt\n",
        "o\nA [2001:db8::9]\n", "o\nK\n", "o\nZ\n", "o\nI a\\nb\n", "o\nF a b\n", "o\nS name\n", "u\nU 1\n", "u\nU 2\n",
        "o r\n> 40000\n> 0\n", "f loss\nT tt\n> ttl=1 rtpa_nlost=3\n> E50\n",
    ].enumerated().map { Seed("call-\($0.offset)", $0.element + "%%\n" + audio) }
}
