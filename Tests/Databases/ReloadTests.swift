// SPDX-License-Identifier: GPL-2.0-or-later
// rtpproxy.reload: what comes, stays and goes, and what happens when the database fails.

import Foundation
import TestSupport
import Testing

@Suite struct ReloadTests {
    /// The figures that rtpproxy.reload answers with.
    private func reload(_ kamailio: Kamailio) throws -> [String: String] {
        var figures: [String: String] = [:]
        for line in try kamailio.kamcmd("rtpproxy.reload").split(separator: "\n") {
            let parts = line.split(separator: ":").map { $0.trimmingCharacters(in: .whitespaces) }
            if parts.count == 2 { figures[parts[0]] = parts[1] }
        }
        return figures
    }

    @Test(arguments: DatabaseKind.underTest)
    func newOnesAreProbedAndJoinAndThePresentOnesStay(kind: DatabaseKind) throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay(), try ScriptedRelay()]
        let database = try Database(kind, rows: [Row(0, relays[0])])
        try database.withKamailio(probing: [relays[0]]) { (kamailio) throws in
            try database.insert([Row(0, relays[1], weight: 3), Row(5, relays[2])])
            #expect(
                try reload(kamailio) == ["added": "2", "kept": "1", "removed": "0", "refused": "0", "skipped": "0"])
            #expect(try kamailio.relays().map { $0["url"] } == relays.map(\.url))
            #expect(try kamailio.relays().map { $0["setid"] } == ["0", "0", "5"])
            #expect(kamailio.waitUntilUp(relays))
            let call = try kamailio.call()
            call.choose(1, of: [1, 3])
            #expect(try call.invite(run: .offer()).instance == relays[1].url)
            #expect(try kamailio.call().invite(run: .offer(set: 5)).instance == relays[2].url)
            // The one that stayed has not been asked again for what it can do.
            #expect(relays[0].log.filter { $0.verb == "VF" }.count == relays[1].log.filter { $0.verb == "VF" }.count)
        }
    }

    @Test(arguments: DatabaseKind.underTest)
    func aRemovedOneKeepsItsCallsAndThenDisappears(kind: DatabaseKind) throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        let database = try Database(kind, rows: relays.map { Row(0, $0) })
        let quick = { (c: inout KamailioConfiguration) in
            c.set("rtpproxy_tout_ms", 200)
            c.set("rtpproxy_retr", 2)
        }
        try database.withKamailio(probing: relays, quick) { (kamailio) throws in
            let old = try kamailio.call()
            old.choose(0, of: [1, 1])
            #expect(try old.invite(run: .offer()).instance == relays[0].url)
            try database.run("DELETE FROM rtpproxy WHERE url = '\(relays[0].url)'")
            #expect(try reload(kamailio)["removed"] == "1")
            let new = try kamailio.call()
            new.choose(0, of: [1, 1])
            #expect(try new.invite(run: .offer()).instance == relays[1].url)
            #expect(try old.invite(run: .offer(), inDialog: true).instance == relays[0].url)
            usleep(5_000_000)
            #expect(try kamailio.relays().count == 2)
            #expect(try old.invite(run: .destroy(), inDialog: true).returnCodes == [1])
            #expect(relays[0].texts(of: old.id, "D").count == 1)
            #expect(try waitUntil(10, every: 200) { try kamailio.relays().map { $0["url"] } == [relays[1].url] })
        }
    }

    @Test(arguments: DatabaseKind.underTest)
    func aRemovedOneThatIsDeadDisappearsWithItsCalls(kind: DatabaseKind) throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        let database = try Database(kind, rows: relays.map { Row(0, $0) })
        let quick = { (c: inout KamailioConfiguration) in
            c.set("rtpproxy_tout_ms", 200)
            c.set("rtpproxy_retr", 2)
            c.set("rtpproxy_disable_tout", 4)
            c.set("rtpproxy_ping_interval", 1)
        }
        try database.withKamailio(probing: relays, quick) { (kamailio) throws in
            for _ in 0..<2 {
                let call = try kamailio.call()
                call.choose(0, of: [1, 1])
                #expect(try call.invite(run: .offer()).instance == relays[0].url)
            }
            #expect(try waitUntil(5, every: 100) { try kamailio.statistics(relays[0].url).first?["calls"] == "2" })
            relays[0].shut()
            #expect(kamailio.waitForLog(relays[0].url, "disabled for 4 s") != nil)
            try database.run("DELETE FROM rtpproxy WHERE url = '\(relays[0].url)'")
            #expect(try reload(kamailio)["removed"] == "1")
            // It may come back as long as its time lasts.
            #expect(try kamailio.relays().count == 2)
            #expect(try waitUntil(12, every: 100) { try kamailio.relays().map { $0["url"] } == [relays[1].url] })
            let line = kamailio.waitForLog(relays[0].url, "has left the sets and does not answer", seconds: 2)
            #expect(line?.hasSuffix("its calls are forgotten: 2") == true)
            #expect(try kamailio.kamcmd("stats.get_statistics", "rtpproxy:").contains("calls_remembered = 0"))
        }
    }

    /// What a node had counted before others came is compared with what it says after a restart.
    @Test func aReloadHidesNoRestart() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        let database = try Database(.sqlite, rows: [Row(0, relays[0])])
        let quick = { (c: inout KamailioConfiguration) in
            c.set("rtpproxy_tout_ms", 200)
            c.set("rtpproxy_retr", 1)
            c.set("rtpproxy_disable_tout", 1)
            c.set("rtpproxy_ping_interval", 0)
        }
        try database.withKamailio(probing: [relays[0]], quick) { (kamailio) throws in
            func failAndComeBack() throws {
                relays[0].on { _ in .drop }
                #expect(try kamailio.call().invite(run: .offer()).returnCodes != [1])
                #expect(try waitUntil(5) { try kamailio.statistics(relays[0].url).first?["state"] == "down" })
                relays[0].removeRules()
            }
            try failAndComeBack()
            #expect(kamailio.waitUntilUp([relays[0]]))
            try database.insert([Row(7, relays[1])])
            #expect(try reload(kamailio)["added"] == "1")
            #expect(kamailio.waitUntilUp(relays))
            try failAndComeBack()
            relays[0].on { $0.verb == "G" ? .reply("0 0") : nil }
            #expect(kamailio.waitForLog(relays[0].url, "has been restarted, its sessions are lost", seconds: 10) != nil)
        }
    }

    @Test(arguments: DatabaseKind.underTest)
    func aChangedWeightCountsAtOnce(kind: DatabaseKind) throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        let database = try Database(kind, rows: relays.map { Row(0, $0) })
        try database.withKamailio(probing: relays) { (kamailio) throws in
            try database.run("UPDATE rtpproxy SET weight = 0 WHERE url = '\(relays[0].url)'")
            #expect(try reload(kamailio)["kept"] == "2")
            // PostgreSQL gives a row that was changed as the last one.
            let list = try kamailio.relays()
            #expect(relays.map { relay in list.first { $0["url"] == relay.url }?["weight"] } == ["0", "1"])
            #expect(list.count == 2)
            for place in 0..<2 {
                let call = try kamailio.call()
                call.choose(place, of: [1, 1])
                #expect(try call.invite(run: .offer()).instance == relays[1].url)
            }
        }
    }

    /// What the operator does by RPC stands until the flags of the row change.
    @Test(arguments: DatabaseKind.underTest)
    func changedFlagsSwitchAnEntryThatStays(kind: DatabaseKind) throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        let database = try Database(kind, rows: relays.map { Row(0, $0) })
        try database.withKamailio(probing: relays) { (kamailio) throws in
            let (first, other) = (relays[0].url, relays[1].url)
            func disabled(_ url: String) throws -> String? {
                try kamailio.relays().first { $0["url"] == url }?["disabled"]
            }
            func flags(_ value: Int) throws {
                try database.run("UPDATE rtpproxy SET flags = \(value) WHERE url = '\(first)'")
                #expect(try reload(kamailio)["kept"] == "2")
            }
            try flags(1)
            #expect(try disabled(first) == "1" && disabled(other) == "0")
            #expect(kamailio.logLines(first, "is disabled, by its flags in the database").count == 1)
            let call = try kamailio.call()
            call.choose(0, of: [1, 1])
            #expect(try call.invite(run: .offer()).instance == other)
            // Not changed: what RPC has said counts.
            _ = try kamailio.kamcmd("rtpproxy.enable", first, "1")
            try flags(1)
            #expect(try disabled(first) == "0")
            _ = try kamailio.kamcmd("rtpproxy.enable", first, "0")
            try flags(0)
            #expect(try disabled(first) == "0")
            #expect(kamailio.logLines(first, "is enabled, by its flags in the database").count == 1)
            let next = try kamailio.call()
            for relay in relays { relay.on(call: next.id) { $0.verb == "U" ? .reply("E71") : nil } }
            _ = try next.invite(run: .offer())
            for relay in relays { #expect(relay.texts(of: next.id, "U").count == 1) }
        }
    }

    /// In its new set an entry stands as it stood in the old one, where its calls stay.
    @Test(arguments: DatabaseKind.underTest)
    func anEntryThatMovesToAnotherSetStandsThereAsItStood(kind: DatabaseKind) throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay(), try ScriptedRelay()]
        let database = try Database(kind, rows: relays.map { Row(0, $0) })
        try database.withKamailio(probing: relays) { (kamailio) throws in
            let old = try kamailio.call()
            old.choose(1, of: [1, 1, 1])
            let holder = try old.invite(run: .offer()).instance
            #expect(holder == relays[1].url)
            _ = try kamailio.kamcmd("rtpproxy.enable", relays[2].url, "0")
            // From now on it answers nothing but calls: nobody needs to ask it what it can do.
            relays[1].on { $0.verb.hasPrefix("V") ? .drop : nil }
            try database.run("UPDATE rtpproxy SET setid = '7' WHERE url <> '\(relays[0].url)'")
            _ = try reload(kamailio)
            let moved = try kamailio.relays().filter { $0["setid"] == "7" }
            #expect(moved.map { $0["url"] } == relays[1...].map(\.url))
            #expect(moved.map { $0["disabled"] } == ["0", "1"])
            let new = try kamailio.call()
            let start = monotonicMilliseconds()
            #expect(try new.invite(run: .offer(set: 7)).instance == relays[1].url)
            #expect(monotonicMilliseconds() - start < 1500)
            #expect(try old.invite(run: .offer(), inDialog: true).instance == relays[1].url)
            #expect(try kamailio.call().invite(run: .offer()).instance == relays[0].url)
        }
    }

    @Test(arguments: DatabaseKind.underTest)
    func whereTheDatabaseFailsAllStaysAndTheAnswerSaysWhy(kind: DatabaseKind) throws {
        let relay = try ScriptedRelay()
        let database = try Database(kind, rows: [Row(0, relay)])
        try database.withKamailio(probing: [relay]) { (kamailio) throws in
            try database.run("DROP TABLE rtpproxy")
            let answer = try kamailio.kamcmd("rtpproxy.reload")
            #expect(answer.contains("500") && answer.contains("Nothing is changed") && answer.contains("table_name"))
            #expect(try kamailio.relays().map { $0["url"] } == [relay.url])
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [1])
        }
    }

    @Test(arguments: DatabaseKind.underTest)
    func aBadRowIsLeftOutAndCounted(kind: DatabaseKind) throws {
        let relay = try ScriptedRelay()
        let database = try Database(kind, rows: [Row(0, relay)])
        try database.withKamailio(probing: [relay]) { (kamailio) throws in
            try database.insert([Row(url: "'nonsense:1'")])
            #expect(try reload(kamailio)["skipped"] == "1")
            #expect(try kamailio.relays().map { $0["url"] } == [relay.url])
            #expect(kamailio.complaints.contains { $0.contains("nonsense") })
        }
    }
}
