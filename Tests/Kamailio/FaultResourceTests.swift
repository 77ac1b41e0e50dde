// SPDX-License-Identifier: GPL-2.0-or-later
// This host runs out of something: descriptors, room for packets, places in a queue.

import Foundation
import TestSupport
import Testing

@Suite struct FaultResourceTests {
    /// Lets the module's processes and the workers open nothing more, or as much as they like.
    private static func limitDescriptors(_ kamailio: Kamailio, _ isLimited: Bool) throws {
        let processes = try kamailio.processes().filter {
            $0.name.contains("receiver") || $0.name.contains("RTPProxy")
        }
        try #require(processes.count >= 2)
        for process in processes {
            let limit = isLimited ? "3:1024" : "1024:1024"
            let (end, output) = try ChildProcess.run("prlimit", ["--pid", "\(process.pid)", "--nofile=\(limit)"])
            #expect(end == .exited(0), "\(output)")
        }
    }

    private static func patiently(_ configuration: inout KamailioConfiguration) {
        briefly(&configuration)
        configuration.set("rtpproxy_tout", 6)
    }

    private static let canLimit = getuid() == 0

    /// A process that has a socket needs no other one. A unix socket takes one command: the call fails, and the relay
    /// is not blamed.
    @Test(
        .enabled(if: canLimit, "needs root, for prlimit"),
        arguments: [(ScriptedRelay.Transport.udp, 1), (.tcp, 1), (.cunix, 1), (.unix, -1)])
    func withoutADescriptorACallFailsAtMostAndNoRelayIsBlamed(transport: ScriptedRelay.Transport, code: Int) throws {
        let relay = try ScriptedRelay(transport)
        try Stage.own([relay]) {
            briefly(&$0)
            $0.children = 1
        } _: { kamailio in
            #expect(try kamailio.completesACall())
            try Self.limitDescriptors(kamailio, true)
            for _ in 0..<5 {
                let offer = try kamailio.offer()
                #expect(offer.code == code)
                #expect(offer.milliseconds < 1500)
            }
            // The module's own process asks nothing meanwhile, and disables no relay.
            usleep(1_500_000)
            #expect(try kamailio.relays().first?["disabled"] == "0")
            #expect(kamailio.logLines("call ", "too many open files").count == (code == 1 ? 0 : 5))
            #expect(kamailio.logLines("disabled for").isEmpty)
            try Self.limitDescriptors(kamailio, false)
            #expect(try kamailio.completesACall())
            #expect(kamailio.faultLines.count <= 4, "\(kamailio.faultLines)")
        }
    }

    /// The relay accepts no connection for a while, and its queue is full: the commands wait in the worker.
    @Test func aFullQueueOfAUnixSocketIsWaitedOut() throws {
        let relay = try ScriptedRelay(.unix)
        try Stage.own([relay], briefly) { kamailio in
            let blocker = try kamailio.call()
            relay.on(call: blocker.id) { _ in
                usleep(900_000)
                return nil
            }
            blocker.send(blocker.request("INVITE", sdp: SDPText.audio(), run: .offer()))
            try #require(waitUntil(5) { relay.log.contains { $0.callID == blocker.id } })
            let crowd = try relay.fillQueue()
            defer { for descriptor in crowd { close(descriptor) } }
            let offer = try kamailio.offer()
            #expect(offer.code == 1)
            #expect(offer.milliseconds > 300)
            #expect(offer.milliseconds < brieflyInMilliseconds)
            #expect(blocker.callee.receive { $0.method == "INVITE" }?.returnCodes == [1])
            #expect(kamailio.faultLines.isEmpty, "\(kamailio.faultLines)")
        }
    }

    /// The relay reads nothing for a while, and neither its buffer nor this host's takes all of the commands.
    @Test(.enabled(if: NetworkCable.isAvailable, "\(NetworkCable.need)"))
    func aFullSendBufferOfAConnectionIsWaitedOut() throws {
        let small = { (cable: NetworkCable) in
            _ = try cable.near.run("echo 4096 4096 4096 >/proc/sys/net/ipv4/tcp_wmem")
            _ = try cable.far.run("echo 4096 4096 4096 >/proc/sys/net/ipv4/tcp_rmem")
        }
        try acrossACable(.tcp, prepare: small, configured: Self.patiently) { kamailio, relay, cable in
            let id = longCallID(3000)
            relay.on(call: id) { command in
                if command.stream == 1 { usleep(700_000) }
                return nil
            }
            let offer = try kamailio.offer(manyStreams(), id: id)
            #expect(offer.code == 1)
            #expect(offer.milliseconds > 600)
            #expect(offer.milliseconds < 8500)
            #expect(relay.commands(of: id, "U").map(\.stream) == Array(1...8))
            #expect(kamailio.faultLines.isEmpty, "\(kamailio.faultLines)")
            #expect(try kamailio.completesACall())
        }
    }

    /// A slow way holds so many packets up that the socket takes no more: what it does not take is sent a little later.
    @Test(
        .enabled(if: NetworkCable.isAvailable, "\(NetworkCable.need)"),
        .enabled(if: NetworkCable.hasTokenBucket, "needs the kernel's token bucket (sch_tbf)"))
    func aFullSendBufferOfDatagramsIsWaitedOut() throws {
        try acrossACable(configured: Self.patiently) { kamailio, relay, cable in
            try cable.near.run("tc qdisc add dev cable root tbf rate 1mbit burst 10kb limit 4mb")
            let before = try cable.counter("Udp", "SndbufErrors")
            // A worker that hardly gets to run may send no faster than that way takes it.
            for _ in 0..<5 where try cable.counter("Udp", "SndbufErrors") == before {
                let offer = try kamailio.offer(manyStreams(), id: longCallID(7000))
                #expect(offer.code == 1)
                #expect(offer.milliseconds < 8500)
                #expect(relay.commands(of: offer.call.id, "U").count == 8)
            }
            #expect(try cable.counter("Udp", "SndbufErrors") > before)
            #expect(kamailio.logLines("disabled for").isEmpty)
            try cable.near.run("tc qdisc del dev cable root")
            #expect(try kamailio.completesACall())
            #expect(kamailio.faultLines.isEmpty, "\(kamailio.faultLines)")
        }
    }

    /// A queue that holds nothing loses nearly everything, and the kernel says nothing of it.
    @Test(
        .enabled(if: NetworkCable.isAvailable, "\(NetworkCable.need)"),
        .enabled(if: NetworkCable.hasTokenBucket, "needs the kernel's token bucket (sch_tbf)"))
    func aQueueThatLosesWhatItCannotHoldFailsTheCallInItsTime() throws {
        try acrossACable { kamailio, relay, cable in
            try cable.near.run("tc qdisc add dev cable root tbf rate 8kbit burst 1600 limit 1600")
            let offer = try kamailio.offer(manyStreams(), id: longCallID(1200))
            #expect(offer.code == -3)
            #expect(offer.milliseconds < brieflyInMilliseconds)
            try cable.near.run("tc qdisc del dev cable root")
            #expect(try kamailio.recovers())
            #expect(kamailio.faultLines.count <= 2, "\(kamailio.faultLines)")
        }
    }
}
