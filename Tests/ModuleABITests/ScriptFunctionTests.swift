// SPDX-License-Identifier: GPL-2.0-or-later
// Script functions through the C entry points, against a scripted RTPProxy on a unix socket.

import RTPProxyABI
import TestSupport
import Testing

@Suite struct ScriptFunctionTests {
    // MARK: - Edits

    @Test func editsComeAsRangesOfTheBodyAndTheirText() throws {
        let relay = try ScriptedRelay(.unix)
        relay.on { $0.verb == "U" ? .reply("35000 192.0.2.77") : nil }
        let module = ModuleInstance([relay.url])
        let message = Message("edits")
        #expect(module.offer(message, "o") == 1)
        #expect(
            message.editedBody == Message.audio.replacing("10.0.0.1", with: "192.0.2.77")
                .replacing("5004", with: "35000") + "a=nortpproxy:yes\r\n")
        #expect(message.edits.map(\.text) == ["192.0.2.77", "192.0.2.77", "35000", "a=nortpproxy:yes\r\n"])
        #expect(message.edits.map(\.removed) == [8, 8, 4, 0])
        #expect(message.edits.last?.offset == Message.audio.utf8.count)
        #expect(message.instances == [relay.url])
        #expect(relay.texts(of: "edits") == ["U edits 198.51.100.5 5004 ft;1"])
    }

    @Test func theMemoryOfEditsIsUsedAgain() throws {
        let relay = try ScriptedRelay(.unix)
        let module = ModuleInstance([relay.url])
        for round in 0..<3 {
            let message = Message("again-\(round)")
            #expect(module.offer(message) == 1)
            #expect(message.edits.count == 3)
            #expect(message.editedBody?.contains("c=IN IP4 192.0.2.77\r\n") == true)
        }
    }

    @Test func editsThatTheHostRefusesAreAnError() throws {
        let relay = try ScriptedRelay(.unix)
        let module = ModuleInstance([relay.url])
        let message = Message("refused")
        message.acceptsEdits = false
        #expect(module.offer(message) == -1)
        #expect(relay.texts(of: "refused").last == "D refused ft")
        #expect(HostLog.lines(with: "call refused: ").map(\.level) == [.RTPP_LOG_ERROR])
    }

    @Test func aMessageThatWasEditedIsLeftAlone() throws {
        let relay = try ScriptedRelay(.unix)
        let module = ModuleInstance([relay.url])
        let message = Message("edited")
        message.bodyState = .RTPP_BODY_REWRITTEN
        #expect(module.offer(message) == -2)
        #expect(relay.log.isEmpty && message.edits.isEmpty)
    }

    /// Such as $rtpstat in extra_id_pv: the call that asks stands on what it has read.
    @Test func aVariableThatAsksTheModuleGetsNothing() throws {
        let relay = try ScriptedRelay(.unix)
        let module = ModuleInstance([relay.url])
        let message = Message("asks")
        message.variables = [.RTPP_VARIABLE_EXTRA_ID: "leg"]
        var answers: [Int] = []
        message.whileAsked = {
            answers += [Int(module.delete(Message("another"))), rtpp_node_count(module.handle)]
        }
        #expect(module.offer(message, "b") == 1)
        #expect(answers == [-1, 0, -1, 0])
        #expect(relay.log.count == 1)
        #expect(relay.texts(of: "asks;leg") == ["U asks;leg 198.51.100.5 5004 ft;1"])
        #expect(rtpp_node_count(module.handle) == 1)
    }

    // MARK: - Arguments

    @Test func flagsAndAddressMayBeAbsentButNoAddressMayBeEmpty() throws {
        let relay = try ScriptedRelay(.unix)
        let module = ModuleInstance([relay.url])
        #expect(module.offer(Message("absent"), nil, nil) == 1)
        #expect(module.offer(Message("empty-flags"), "", nil) == 1)
        #expect(module.offer(Message("empty-address"), nil, "") == -1)
        #expect(module.answer(Message("empty-address", status: 200), nil, "") == -1)
        #expect(module.manage(Message("empty-address"), nil, "") == -1)
        #expect(relay.texts(of: "empty-address").isEmpty)
        let message = Message("address")
        #expect(module.offer(message, "r", "2001:db8::1") == 1)
        #expect(message.editedBody?.contains("c=IN IP6 2001:db8::1\r\n") == true)
        #expect(relay.texts(of: "address") == ["U address 10.0.0.1 5004 ft;1"])
    }

    @Test func eachFieldOfAMessageHasItsPlace() throws {
        let relay = try ScriptedRelay(.unix, address: "")
        let module = ModuleInstance([relay.url], texts: ["timeout_socket": "unix:/run/t"])
        let message = Message("fields", toTag: "tt")
        message.variables = [.RTPP_VARIABLE_EXTRA_ID: "leg", .RTPP_VARIABLE_TIMEOUT_TAG: "tag"]
        for flags in ["1", "2", "b"] { #expect(module.offer(message, flags) == 1) }
        let start = "198.51.100.5 5004 ft;1 tt;1 unix:/run/t tag"
        #expect(
            relay.texts(of: "fields") == ["U fields;via1 \(start)", "U fields;via2 \(start)", "U fields;leg \(start)"])
        #expect(message.editedBody?.contains("c=IN IP4 203.0.113.9\r\n") == true)
        #expect(module.answer(Message("fields", status: 200, toTag: "tt"), "1") == 1)
        #expect(relay.texts(of: "fields").last == "L fields;via1 198.51.100.5 5004 ft;1 tt;1")
    }

    @Test(arguments: [("0", false, true), ("1", true, true), ("x", false, false)])
    func theVariableOfICEIsAsked(_ value: String, _ hasCandidates: Bool, _ isDone: Bool) throws {
        let relay = try ScriptedRelay(.unix)
        let module = ModuleInstance([relay.url])
        let message = Message(
            "ice", body: Message.audio + "a=candidate:1 1 UDP 2130706431 10.0.0.1 5004 typ host\r\n")
        message.variables[.RTPP_VARIABLE_ICE_PRIORITY] = value
        #expect(module.offer(message) == (isDone ? 1 : -1))
        #expect(message.edits.contains { $0.text.contains("2147483647 192.0.2.77") } == hasCandidates)
    }

    /// An unset variable prints as `<null>`, and the tag is the Call-ID then.
    @Test func anUnsetVariableIsToldFromAText() throws {
        let relay = try ScriptedRelay(.unix)
        let module = ModuleInstance([relay.url], texts: ["timeout_socket": "unix:/run/t"])
        let message = Message("unset")
        message.variables = [.RTPP_VARIABLE_EXTRA_ID: nil, .RTPP_VARIABLE_TIMEOUT_TAG: nil]
        #expect(module.offer(message, "b") == 1)
        #expect(relay.texts(of: "unset") == ["U unset;<null> 198.51.100.5 5004 ft;1 unix:/run/t unset"])
    }

    @Test func theBodyIsWhatTheHeadersSay() throws {
        let relay = try ScriptedRelay(.unix)
        let module = ModuleInstance([relay.url])
        let untyped = Message("untyped")
        untyped.message.content_type = .absent
        untyped.message.content_length = -1
        #expect(module.offer(untyped) == 1)
        let other = Message("other-type")
        other.message.content_type = other.own("text/plain")
        #expect(module.offer(other) == -1)
        for length: Int64 in [100_000, 0, .max] {
            let message = Message("length-\(length)")
            message.message.content_length = length
            #expect(module.offer(message) == -1)
        }
        #expect(module.offer(Message("no-body", body: nil)) == -1)
    }

    // MARK: - Manage

    struct Managed: Sendable, CustomTestStringConvertible {
        var method: rtpp_method
        var status: Int32 = 0
        var route = rtpp_route.RTPP_ROUTE_OTHER
        var transaction = rtpp_transaction.RTPP_TRANSACTION_NONE
        var verb: String
        var code: rtpp_code = 1
        var marks = 0
        var isWithinDialog = false
        var testDescription: String { "\(method) \(status) \(route) \(transaction) \(verb)" }
    }

    @Test(arguments: [
        Managed(method: .RTPP_METHOD_INVITE, verb: "U", marks: 1),
        Managed(method: .RTPP_METHOD_UPDATE, verb: "U"), Managed(method: .RTPP_METHOD_PRACK, verb: "U"),
        Managed(method: .RTPP_METHOD_ACK, verb: "L"), Managed(method: .RTPP_METHOD_BYE, verb: "D"),
        Managed(method: .RTPP_METHOD_CANCEL, verb: "D"), Managed(method: .RTPP_METHOD_OTHER, verb: "", code: -1),
        Managed(method: .RTPP_METHOD_INVITE, route: .RTPP_ROUTE_FAILURE, verb: "D"),
        Managed(method: .RTPP_METHOD_INVITE, route: .RTPP_ROUTE_BRANCH_FAILURE, verb: ""),
        Managed(method: .RTPP_METHOD_INVITE, status: 200, verb: "L"),
        Managed(method: .RTPP_METHOD_INVITE, status: 200, transaction: .RTPP_TRANSACTION_OFFERED, verb: "L"),
        Managed(method: .RTPP_METHOD_INVITE, status: 200, transaction: .RTPP_TRANSACTION_NO_OFFER, verb: "U"),
        Managed(method: .RTPP_METHOD_INVITE, status: 486, verb: "D"),
        Managed(method: .RTPP_METHOD_UPDATE, status: 488, verb: "", code: -1),
        Managed(method: .RTPP_METHOD_INVITE, status: 486, verb: "", code: -1, isWithinDialog: true),
        Managed(method: .RTPP_METHOD_INVITE, route: .RTPP_ROUTE_FAILURE, verb: "", code: -1, isWithinDialog: true),
        Managed(method: .RTPP_METHOD_CANCEL, verb: "", code: -1, isWithinDialog: true),
    ])
    func manageBecomesWhatTheMessageAsksFor(_ managed: Managed) throws {
        let relay = try ScriptedRelay(.unix)
        relay.on { $0.verb == "L" ? .reply("36000 192.0.2.77") : nil }
        let module = ModuleInstance([relay.url])
        let hasTag = managed.isWithinDialog || managed.status > 0 || managed.method == .RTPP_METHOD_ACK
        let message = Message("managed", managed.method, status: managed.status, toTag: hasTag ? "tt" : nil)
        message.isWithinDialog = managed.isWithinDialog
        message.message.route = managed.route
        message.transaction = managed.transaction
        #expect(module.manage(message) == managed.code)
        #expect(relay.log.map(\.verb).joined() == managed.verb)
        #expect(message.marks == managed.marks)
        #expect(message.edits.isEmpty == !["U", "L"].contains(managed.verb))
    }

    // MARK: - The other functions

    @Test func eachFunctionHasItsCommand() throws {
        let relay = try ScriptedRelay(.unix)
        relay.on { _ in .reply("0") }
        let module = ModuleInstance([relay.url])
        let message = Message("others", .RTPP_METHOD_BYE, toTag: "tt")
        #expect(module.delete(message) == 1)
        #expect(module.delete(message, "1t") == 1)
        #expect(module.delete(message, "q") == -1)
        #expect(rtpp_record(module.handle, &message.message) == 1)
        // What the node can do has not been asked yet.
        #expect(lending("p") { rtpp_play(module.handle, &message.message, $0, 1, true) } == -1)
        #expect(rtpp_stop_play(module.handle, &message.message, true) == -1)
        #expect(
            relay.texts(of: "others") == ["D others ft tt", "D others;via1 ft", "R others ft tt", "R others tt ft"])
    }

    @Test func aSetIsChosenByNumberOrText() throws {
        let relays = try [ScriptedRelay(.unix), ScriptedRelay(.unix)]
        let module = ModuleInstance([relays[0].url, "5 == \(relays[1].url)"])
        let message = Message("sets")
        #expect(rtpp_select_set(module.handle, &message.message, 5) == 1)
        #expect(module.delete(message) == 1)
        #expect(message.instances.last == relays[1].url)
        #expect(rtpp_select_set(module.handle, &message.message, 6) == -1)
        #expect(module.delete(message) == 1)
        #expect(message.instances.last == relays[0].url)
        #expect(lending("5") { rtpp_select_set_text(module.handle, &message.message, $0) } == 1)
        #expect(module.delete(message) == 1)
        #expect(message.instances.last == relays[1].url)
        #expect(lending("x") { rtpp_select_set_text(module.handle, &message.message, $0) } == -1)
        #expect(rtpp_select_set_text(module.handle, &message.message, .absent) == -1)
        message.message.id = 2
        #expect(module.delete(message) == 1)
        #expect(message.instances.last == relays[0].url)
    }

    @Test func withoutANodeOffersGiveMinusThree() {
        let module = ModuleInstance(["unix:/nonexistent/x"])
        let message = Message("nobody")
        #expect(module.offer(message) == -3)
        #expect(module.answer(Message("nobody", status: 200, toTag: "tt")) == -3)
        #expect(module.delete(message) == -1)
        #expect(message.edits.isEmpty)
    }

    // MARK: - Statistics

    /// Statistics into an output of `capacity` bytes, with a fence behind it.
    private func statistics(_ module: ModuleInstance, _ capacity: Int) -> (rtpp_status, String, length: Int) {
        let message = Message("statistics")
        var output = [UInt8](repeating: 0x7E, count: 64)
        var length = -1
        let status = rtpp_statistics(module.handle, &message.message, &output, capacity, &length)
        #expect(output.dropFirst(max(capacity, 0)).allSatisfy { $0 == 0x7E })
        return (status, String(decoding: output.prefix(while: { $0 != 0x7E }), as: UTF8.self), length)
    }

    @Test func statisticsFitOrSayWhatTheyNeed() throws {
        let relay = try ScriptedRelay(.unix)
        relay.on { $0.verb == "Q" ? .reply("60 11 22 33 0") : nil }
        let module = ModuleInstance([relay.url])
        for capacity in [13, 14, 60] { #expect(statistics(module, capacity) == (.RTPP_OK, "60 11 22 33 0", 13)) }
        for capacity in [12, 1, 0, -1, Int.min] { #expect(statistics(module, capacity) == (.RTPP_TOO_SMALL, "", 13)) }
        #expect(relay.commands(of: "statistics").allSatisfy { $0.text == "Q statistics ft;1" })
    }

    @Test func aCallWithoutASessionHasNoStatistics() throws {
        let relay = try ScriptedRelay(.unix)
        relay.on { _ in .reply("E50") }
        #expect(statistics(ModuleInstance([relay.url]), 60).0 == .RTPP_NO_VALUE)
        #expect(statistics(ModuleInstance(["unix:/nonexistent/x"]), 60).0 == .RTPP_NO_VALUE)
    }

    @Test func statisticsWithoutAnOutputAreRefused() {
        let module = ModuleInstance(["unix:/nonexistent/x"])
        let message = Message("no-output")
        var output = [UInt8](repeating: 0, count: 4)
        var length = 0
        #expect(rtpp_statistics(module.handle, &message.message, nil, 4, &length) == .RTPP_BAD_ARGUMENT)
        #expect(rtpp_statistics(module.handle, &message.message, &output, 4, nil) == .RTPP_BAD_ARGUMENT)
        #expect(message.instances.isEmpty)
    }

    // MARK: - Figures

    private func index(_ module: ModuleInstance, _ name: String?) -> Int32 {
        lending(name) { rtpp_figure_index(module.handle, $0) }
    }

    /// What a figure comes to: text, and the number where it is whole.
    private func figure(_ module: ModuleInstance, _ message: Message, _ name: String) -> (rtpp_status, String, Int64?) {
        var value = rtpp_figure_value()
        let status = rtpp_figure(module.handle, &message.message, index(module, name), &value)
        let text = withUnsafeBytes(of: &value.text) { String(decoding: $0.prefix(value.length), as: UTF8.self) }
        return (status, text, value.is_whole ? value.number : nil)
    }

    @Test func figuresAreTextsAndWholeOnesNumbers() throws {
        let relay = try ScriptedRelay(.unix)
        let module = ModuleInstance([relay.url])
        var count = 0
        #expect(rtpp_probe(module.handle, .absent, &count) == .RTPP_OK && count == 1)
        #expect(module.offer(Message("figures")) == 1)
        let message = Message("figures", .RTPP_METHOD_BYE, toTag: "tt", body: nil)
        #expect(figure(module, message, "rtpa_nlost") == (.RTPP_OK, "2", 2))
        #expect(figure(module, message, "longest_ipi") == (.RTPP_OK, "0.060915", nil))
        #expect(figure(module, message, "mos") == (.RTPP_OK, "3.56", nil))
        #expect(relay.texts(of: "figures", "Q").count == 8)
    }

    @Test func noFigureHasANumberThatIsNone() throws {
        let module = ModuleInstance(["unix:/nonexistent/x"])
        let message = Message("no-figure", .RTPP_METHOD_BYE)
        for name in [nil, "", "x", "MOS", "ttl\u{0}"] { #expect(index(module, name) == -1) }
        #expect(index(module, "ttl") == 0 && index(module, "mos") == 14)
        var value = rtpp_figure_value()
        for number in [-1, 15, Int32.min, .max] {
            #expect(rtpp_figure(module.handle, &message.message, number, &value) == .RTPP_NO_VALUE)
        }
        #expect(rtpp_figure(module.handle, &message.message, 0, &value) == .RTPP_NO_VALUE)
        #expect(rtpp_figure(nil, &message.message, 0, &value) == .RTPP_BAD_ARGUMENT)
        #expect(rtpp_figure(module.handle, nil, 0, &value) == .RTPP_BAD_ARGUMENT)
        #expect(rtpp_figure(module.handle, &message.message, 0, nil) == .RTPP_BAD_ARGUMENT)
        #expect(value.length == 0)
    }
}
