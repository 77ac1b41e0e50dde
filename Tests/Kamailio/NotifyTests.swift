// SPDX-License-Identifier: GPL-2.0-or-later
// Notifications of media that has stopped: what the module's own listener makes of whatever comes.

import Foundation
import Synchronization
import TestSupport
import Testing

/// A connection to a unix stream socket, as RTPProxy makes one.
final class Notifier {
    private let descriptor: Int32

    init(_ path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { target in
            for (index, byte) in path.utf8.enumerated() { target[index] = byte }
        }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw HarnessError("no connection to \(path): errno \(errno)") }
    }

    /// A TCP connection from an address of this machine.
    init(_ place: Endpoint, from source: String) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        let isBound = Endpoint(source, 0).withSocketAddress { bind(descriptor, $0, $1) } == 0
        let isConnected = place.withSocketAddress { connect(descriptor, $0, $1) } == 0
        guard isBound, isConnected else {
            throw HarnessError("no connection to \(place) from \(source): errno \(errno)")
        }
    }

    /// Writes what is taken; false where the other end has closed.
    @discardableResult
    func write(_ text: String) -> Bool { write(bytes: Array(text.utf8)) }

    @discardableResult
    func write(bytes: [UInt8]) -> Bool {
        Foundation.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
    }

    deinit { close(descriptor) }
}

/// Lets a thread write to connections that nobody else writes to.
private struct Sendables: @unchecked Sendable {
    let all: [Notifier]

    init(_ all: [Notifier]) { self.all = all }
}

@Suite struct NotifyTests {
    private static let route = """

        event_route[rtpproxy:timeout] {
            xlog("L_NOTICE", "stopped <$rtpp_notify(tag)> <$rtpp_notify(callid)> pid $pp\\n");
        }
        """

    private func run(
        _ adjust: (inout KamailioConfiguration) -> Void = { _ in },
        _ body: (Kamailio, ScriptedRelay, String) throws -> Void
    ) throws {
        let folder = try TemporaryFolder()
        let path = folder.file("stopped")
        let relay = try ScriptedRelay()
        try Stage.own(
            [relay],
            {
                $0.routes += Self.route
                $0.set("rtpproxy_notify_listen", "unix:\(path)")
                adjust(&$0)
            }
        ) { kamailio in
            try body(kamailio, relay, path)
            #expect(kamailio.diedBySignal.isEmpty)
        }
    }

    private func stopped(_ kamailio: Kamailio) -> [String] {
        kamailio.logLines(": stopped <").compactMap {
            $0.components(separatedBy: ": stopped ").last?.components(separatedBy: " pid ").first
        }
    }

    @Test func eachCallIsToldOnceInAProcessOfItsOwnAndOffersNameTheSocket() throws {
        try run { kamailio, relay, path in
            let call = try kamailio.call()
            #expect(try call.invite(run: .offer()).returnCodes == [1])
            let offer = try #require(relay.texts(of: call.id, "U").first)
            #expect(offer.contains(" unix:\(path) "))
            let notifier = try Notifier(path)
            // One line for each stream, in whatever pieces.
            notifier.write("\(call.id)\n\(call.id)\nsec")
            #expect(waitUntil(5) { stopped(kamailio).count == 1 })
            notifier.write("ond\r\n")
            #expect(waitUntil(5) { stopped(kamailio).count == 2 })
            #expect(stopped(kamailio) == ["<\(call.id)> <\(call.id)>", "<second> <second>"])
            let own = try #require(try kamailio.processes().first { $0.name == "RTPProxy notify" }?.pid)
            #expect(kamailio.logLines(": stopped <").allSatisfy { $0.contains(" pid \(own)") })
        }
    }

    @Test func anOfferNamesItsStreamsAndTheScriptHearsOfTheCall() throws {
        try run { kamailio, relay, path in
            let call = try kamailio.call()
            let streams = [SDPText.media("audio", 5004), SDPText.media("video", 5006)]
            #expect(try call.invite(sdp: SDPText.session(streams: streams), run: .offer()).returnCodes == [1])
            let tags = relay.commands(of: call.id, "U").sorted { $0.stream < $1.stream }.compactMap(\.words.last)
            #expect(tags == ["\(call.id);1", "\(call.id);2"])
            try Notifier(path).write("\(tags[1])\n\(tags[0])\nother;x\n;3\nodd;0\n")
            #expect(waitUntil(5) { stopped(kamailio).count == 4 })
            // It does not ask which stream it is: it is told once.
            #expect(
                stopped(kamailio) == [
                    "<\(call.id)> <\(call.id)>", "<other;x> <other;x>", "<;3> <;3>", "<odd;0> <odd;0>",
                ])
        }
    }

    @Test func aScriptThatAsksWhichStreamItIsHearsOfEach() throws {
        try run {
            $0.routes = $0.routes.replacingOccurrences(of: "<$rtpp_notify(callid)>", with: "<$rtpp_notify(stream)>")
        } _: { kamailio, _, path in
            try Notifier(path).write("call;2\ncall;1\ncall;2\ncall\nweb;12@host;7\n")
            #expect(waitUntil(5) { stopped(kamailio).count == 4 })
            #expect(stopped(kamailio) == ["<call> <2>", "<call> <1>", "<call> <<null>>", "<web;12@host> <7>"])
        }
    }

    @Test func theRealRelaySaysWhichStreamHasStopped() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("stopped")
        let relay = try RealRelay(options: ["-n", "unix:\(path)", "-T", "2", "-W", "2"])
        defer { relay.stop() }
        let configuration = try Stage.configuration {
            $0.routes += Self.route.replacingOccurrences(of: "<$rtpp_notify(callid)>", with: "<$rtpp_notify(stream)>")
            $0.set("rtpproxy_sock", relay.url)
            $0.set("rtpproxy_notify_listen", "unix:\(path)")
        }
        try Kamailio.with(configuration) { kamailio in
            kamailio.waitUntilUp()
            let call = try kamailio.call()
            call.id += "@[::1]%;x"
            let streams = [SDPText.media("audio", 5004), SDPText.media("video", 5006)]
            #expect(try call.invite(sdp: SDPText.session(streams: streams), run: .offer()).returnCodes == [1])
            #expect(waitUntil(15) { stopped(kamailio).count == 2 })
            #expect(stopped(kamailio).sorted() == ["<\(call.id)> <1>", "<\(call.id)> <2>"])
        }
    }

    @Test func aTagOfItsOwnIsNoCallID() throws {
        try run {
            $0.set("timeout_tag_pv", "$var(tag)")
        } _: { kamailio, relay, path in
            try Notifier(path).write("1.2\n1.2;3\n")
            #expect(waitUntil(5) { stopped(kamailio) == ["<1.2> <<null>>", "<1.2;3> <<null>>"] })
            let call = try kamailio.call()
            #expect(try call.invite(run: .offer()).returnCodes == [1])
            #expect(relay.commands(of: call.id, "U").first?.words.last == "0")
        }
    }

    @Test func whatIsNoNotificationCostsNothing() throws {
        try run { kamailio, _, path in
            let silent = try (0..<300).map { _ in try Notifier(path) }
            let half = try Notifier(path)
            half.write("half")
            for text in ["\n\n\n", "two words\n", "control\u{1}\n", "\u{7F}\n", "nul\0\n", "\r\n"] {
                try Notifier(path).write(text)
            }
            let long = try Notifier(path)
            let piece = String(repeating: "x", count: 4096)
            #expect(waitUntil(5, every: 1) { !long.write(piece) }, "a line without end is not cut off")
            try Notifier(path).write("good\n")
            #expect(waitUntil(5) { stopped(kamailio) == ["<good> <good>"] })
            #expect(kamailio.logLines("its line of more than 1024 bytes is no notification").count == 1)
            _ = silent
        }
    }

    @Test func aFloodOfTagsKeepsNobodyElseWaiting() throws {
        try run { kamailio, relay, path in
            let flood = try Notifier(path)
            for index in 0..<2000 { flood.write("flood-\(index)\n") }
            try Notifier(path).write("good\n")
            #expect(waitUntil(10) { stopped(kamailio).contains("<good> <good>") })
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [1])
        }
    }

    @Test func whoHasOneThingToSayIsHeardAmongConnectionsThatAreAlwaysBusy() throws {
        try run { kamailio, _, path in
            let busy = try (0..<64).map { _ in try Notifier(path) }
            let isOver = Atomic<Bool>(false)
            Thread.detachNewThread { [busy = Sendables(busy)] in
                for _ in 0..<20_000 where !isOver.load(ordering: .relaxed) {
                    for one in busy.all { one.write("\n") }
                }
            }
            for index in 0..<20 { try Notifier(path).write("short-\(index)\n") }
            let wanted = Set((0..<20).map { "<short-\($0)> <short-\($0)>" })
            #expect(waitUntil(10) { Set(stopped(kamailio)) == wanted }, "\(stopped(kamailio))")
            isOver.store(true, ordering: .relaxed)
        }
    }

    @Test func aFloodWithASlowRouteKeepsNeitherOthersNorTheEndWaiting() throws {
        try run {
            $0.modules.append("cfgutils")
            $0.routes = $0.routes.replacingOccurrences(of: Self.route, with: "")
            $0.routes += "\nevent_route[rtpproxy:timeout] {\n"
            $0.routes += "    if ($rtpp_notify(tag) =~ \"^good\") xlog(\"L_NOTICE\", \"good is told\\n\");\n"
            $0.routes += "    usleep(\"1000\");\n}\n"
        } _: { kamailio, _, path in
            let floods = try (0..<40).map { _ in try Notifier(path) }
            for (place, flood) in floods.enumerated() {
                flood.write((0..<3000).map { "\(place)-\($0)\n" }.joined())
            }
            try Notifier(path).write("good\n")
            #expect(kamailio.waitForLog("good is told", seconds: 20) != nil)
            let start = ContinuousClock.now
            try kamailio.stop()
            #expect(ContinuousClock.now - start < .seconds(5))
        }
    }

    @Test func whoHasDeliveredIsKeptWhateverElseConnects() throws {
        let place = Endpoint("127.0.0.1", try FreePort.next())
        try run({ $0.set("rtpproxy_notify_listen", "tcp:\(place)") }) { kamailio, _, _ in
            let relay = try Notifier(place, from: "127.0.0.1")
            relay.write("before\n")
            #expect(waitUntil(5) { stopped(kamailio).contains { $0.contains("before") } })
            // Many from one address, and some from each of many.
            let flood = try (0..<300).map { try Notifier(place, from: $0 < 150 ? "127.0.0.2" : "127.0.1.\($0 % 100)") }
            Thread.sleep(forTimeInterval: 0.5)
            relay.write("behind\n")
            #expect(waitUntil(5) { stopped(kamailio).contains { $0.contains("behind") } })
            withExtendedLifetime(flood) {}
        }
    }

    @Test func valuesThatCannotBeAreRefusedAtStart() throws {
        let folder = try TemporaryFolder()
        let file = folder.file("plain")
        try "x".write(toFile: file, atomically: true, encoding: .utf8)
        let values = [
            "udp:127.0.0.1:4000": "is none of unix:, tcp: and tcp6:",
            "nonsense": "is none of unix:, tcp: and tcp6:",
            "tcp:*:4000": "has no address",
            "tcp:127.0.0.1:99999": "port is neither a number",
            "tcp:192.0.2.1:4000": "rtpproxy_notify_listen",
            "unix:/nonexistent/folder/socket": "its folder does not exist",
            "unix:\(file)": "a file that is no socket is in the way",
        ]
        for (value, reason) in values {
            var configuration = KamailioConfiguration()
            configuration.set("rtpproxy_notify_listen", value)
            let log = try Kamailio.startUpFailure(configuration)
            #expect(log.contains("\"\(value)\"") && log.contains(reason), "\(value): \(log.suffix(1500))")
        }
        #expect(try String(contentsOfFile: file, encoding: .utf8) == "x")
    }

    @Test func theSocketOfAnEarlierRunIsTakenOverAndThatOfALivingOneIsNot() throws {
        try run { kamailio, _, path in
            var second = KamailioConfiguration()
            second.set("rtpproxy_notify_listen", "unix:\(path)")
            #expect(try Kamailio.startUpFailure(second).contains("address already in use"))
            let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            #expect(mode == 0o660)
            try kamailio.stop()
            #expect(FileManager.default.fileExists(atPath: path))
            second.routes += Self.route
            try Kamailio.with(second) { again in
                try Notifier(path).write("again\n")
                #expect(waitUntil(5) { stopped(again) == ["<again> <again>"] })
            }
        }
    }

    @Test func bothPhonesGetAByeWhenTheMediaHasStopped() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("media")
        let relay = try RealRelay(options: ["-n", "unix:\(path)", "-T", "3"])
        defer { relay.stop() }
        let text = try Example.text("media-timeout.cfg")
            .replacingOccurrences(of: "udp:127.0.0.1:22222", with: relay.url)
            .replacingOccurrences(of: "unix:/run/kamailio/media-timeout", with: "unix:\(path)")
        try Kamailio.with(KamailioConfiguration(complete: text)) { kamailio in
            waitUntil(10) { !kamailio.logLines("is up").isEmpty }
            let made = try kamailio.call()
            try Example.register(made.callee, kamailio)
            let (atCaller, atCallee) = (try RTPEndpoint(), try RTPEndpoint())
            let call = try RoutedCall(
                made, sdp: SDPText.audio(port: Int(atCaller.port)), answer: SDPText.audio(port: Int(atCallee.port)))
            func relayPort(_ message: SIPMessage) -> UInt16 {
                UInt16(message.lines.first { $0.hasPrefix("m=audio ") }?.split(separator: " ")[1] ?? "") ?? 0
            }
            let (toCallee, toCaller) = (relayPort(call.answer), relayPort(call.invite))
            for round in 0..<3 {
                atCaller.send(20, to: Endpoint(.ipv4, toCallee), firstSequence: UInt16(round * 20))
                atCallee.send(20, to: Endpoint(.ipv4, toCaller), firstSequence: UInt16(round * 20))
            }
            #expect(atCallee.count(expecting: 20) >= 20 && atCaller.count(expecting: 20) >= 20)
            // Nobody sends any more.
            let atCallees = made.callee.receive(20_000) { $0.method == "BYE" && $0.isRequest }
            let atCallers = made.caller.receive(5000) { $0.method == "BYE" && $0.isRequest }
            #expect(atCallees?.callID == made.id && atCallers?.callID == made.id, "\(kamailio.log.suffix(3000))")
            #expect(kamailio.logLines("has stopped").count == 1)
        }
    }
}
