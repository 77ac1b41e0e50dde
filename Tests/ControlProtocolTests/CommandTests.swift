// SPDX-License-Identifier: GPL-2.0-or-later
// The text of every command, as it goes over the wire.

import Bytes
import ControlProtocol
import Testing

@Suite struct CommandTests {
    /// Words in one buffer, with bytes around them that must not get out.
    private struct Identity {
        var text: [UInt8] = Array("<<".utf8)
        var words = SessionWords()

        init(_ callID: String, _ first: String, _ second: String) {
            words.callID = add(callID)
            words.firstTag = add(first)
            words.secondTag = add(second)
        }

        private mutating func add(_ word: String) -> ByteRange {
            let range = ByteRange(start: text.count, count: word.utf8.count)
            text += Array(word.utf8) + Array(">>".utf8)
            return range
        }
    }

    private func written(_ write: (inout [UInt8]) -> Void) -> String {
        var output: [UInt8] = []
        write(&output)
        return String(decoding: output, as: UTF8.self)
    }

    struct Media: Sendable, CustomTestStringConvertible {
        var verb = MediaVerb.update
        var modifiers = ""
        var toTag = ""
        var address = "192.0.2.1"
        var port: UInt16 = 5004
        var stream = 1
        var notification = ""
        var expected: String
        var testDescription: String { expected }
    }

    @Test(arguments: [
        Media(expected: "U call 192.0.2.1 5004 from;1"),
        Media(toTag: "to", expected: "U call 192.0.2.1 5004 from;1 to;1"),
        Media(verb: .lookup, toTag: "to", expected: "L call 192.0.2.1 5004 from;1 to;1"),
        Media(verb: .lookup, expected: "L call 192.0.2.1 5004 from;1"),
        Media(
            modifiers: "AIE6Z20c0,8,101", address: "2001:db8::1",
            expected:
                "UAIE6Z20c0,8,101 call 2001:db8::1 5004 from;1"),
        Media(verb: .lookup, modifiers: "S", toTag: "to", expected: "LS call 192.0.2.1 5004 from;1 to;1"),
        Media(port: 0, stream: 8, expected: "U call 192.0.2.1 0 from;8"),
        Media(port: 65535, stream: 12, expected: "U call 192.0.2.1 65535 from;12"),
        Media(notification: "unix:/run/t call", expected: "U call 192.0.2.1 5004 from;1 unix:/run/t call"),
        Media(toTag: "to", stream: 2, notification: "s t", expected: "U call 192.0.2.1 5004 from;2 to;2 s t"),
        Media(verb: .lookup, toTag: "to", notification: "s t", expected: "L call 192.0.2.1 5004 from;1 to;1"),
    ])
    func updatesAndLookupsHaveTheirWordsInOrder(_ media: Media) {
        let identity = Identity("call", "from", media.toTag)
        let modifiers = Array(media.modifiers.utf8)
        let address = Array(("[" + media.address + "]").utf8)
        let notification = Array(media.notification.utf8)
        let text = written {
            Command.writeMedia(
                media.verb, modifiers: modifiers.span, identity: identity.text.span, words: identity.words,
                address: address.span, addressRange: ByteRange(start: 1, count: address.count - 2), port: media.port,
                stream: media.stream, notification: notification.span, into: &$0)
        }
        #expect(text == media.expected)
    }

    @Test(arguments: [("", "D c;b ft"), ("tt", "D c;b ft tt")])
    func aDeleteTakesBareTags(_ toTag: String, _ expected: String) {
        let identity = Identity("c;b", "ft", toTag)
        #expect(
            written { Command.writeDelete(identity: identity.text.span, words: identity.words, into: &$0) } == expected)
    }

    @Test(arguments: [("", "R c ft"), ("tt", "R c ft tt")])
    func aRecordingTakesBareTags(_ toTag: String, _ expected: String) {
        let identity = Identity("c", "ft", toTag)
        #expect(
            written { Command.writeRecord(identity: identity.text.span, words: identity.words, into: &$0) } == expected)
    }

    @Test(arguments: [("", "Q c ft;1"), ("tt", "Q c ft;1 tt;1")])
    func aQueryNamesTheFirstStreamOfBothTags(_ toTag: String, _ expected: String) {
        let identity = Identity("c", "ft", toTag)
        #expect(
            written { Command.writeQuery(identity: identity.text.span, words: identity.words, into: &$0) } == expected)
    }

    @Test func aQueryForFiguresNamesTheStreamAndThem() {
        let identity = Identity("c", "ft", "tt")
        func query(_ figures: FigureSet, _ stream: Int) -> String {
            written {
                Command.writeQuery(
                    figures, identity: identity.text.span, words: identity.words, stream: stream, into: &$0)
            }
        }
        #expect(query(.plain, 3) == "Qv c ft;3 tt;3 ttl npkts_ina npkts_ino nrelayed ndropped")
        #expect(
            query(.asked(1, of: [.namedFigures, .jitter]), 12) == "Qv c ft;12 tt;12 rtpa_jlast rtpa_jmax rtpa_javg")
        let plain = written {
            Command.writeQuery(identity: identity.text.span, words: identity.words, stream: 4, into: &$0)
        }
        #expect(plain == "Q c ft;4 tt;4")
    }

    @Test(arguments: [("", "S c ft;1"), ("tt", "S c ft;1 tt;1")])
    func aStopNamesTheFirstStreamOfBothTags(_ toTag: String, _ expected: String) {
        let identity = Identity("c", "ft", toTag)
        #expect(
            written { Command.writeStop(identity: identity.text.span, words: identity.words, into: &$0) } == expected)
    }

    @Test(arguments: [
        (1, "", "P1 c /p/m session ft;1"), (-1, "", "P-1 c /p/m session ft;1"), (0, "", "P0 c /p/m session ft;1"),
        (25, "tt", "P25 c /p/m session ft;1 tt;1"),
    ])
    func aPromptIsPlayedSoManyTimes(_ count: Int, _ toTag: String, _ expected: String) {
        let identity = Identity("c", "ft", toTag)
        let prompt = Array("/p/m".utf8)
        let text = written {
            Command.writePlay(
                count: count, prompt: prompt.span, identity: identity.text.span, words: identity.words, into: &$0)
        }
        #expect(text == expected)
    }

    @Test func commandsAreAddedBehindWhatIsThere() {
        let identity = Identity("c", "ft", "")
        var output = Array("x ".utf8)
        Command.writeDelete(identity: identity.text.span, words: identity.words, into: &output)
        #expect(String(decoding: output, as: UTF8.self) == "x D c ft")
    }
}
