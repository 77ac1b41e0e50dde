// SPDX-License-Identifier: GPL-2.0-or-later
// Bodies cut short, poisoned and shaken: never a trap, and the rules of edits hold for whatever still parses.

import Bytes
import FuzzProperties
import SDP
import Testing

@Suite struct HostileTests {
    /// Every fixture up to every length, as a body that arrives in drips would be.
    @Test(arguments: Fixture.all)
    func everyPrefixIsRefusedOrRewrittenSoundly(_ fixture: Fixture) {
        var rewriter = Rewriter()
        for length in 0...fixture.input.count {
            check(Array(fixture.input.prefix(length)), fixture.request, &rewriter)
        }
    }

    /// Each byte in turn becomes each of those that divide, end, or stand for something; every third fixture will do.
    @Test(arguments: Fixture.all.enumerated().filter { $0.offset % 3 == 0 }.map(\.element))
    func everyByteMayTurnIntoAnother(_ fixture: Fixture) {
        var rewriter = Rewriter()
        var body = fixture.input
        for index in body.indices {
            let original = body[index]
            for poison in Array("\0\n\r\t /:=09vmcoa".utf8) + [0x7F, 0x80, 0xFF] {
                body[index] = poison
                check(body, fixture.request, &rewriter)
            }
            body[index] = original
        }
    }

    /// Bytes change, vanish, double and move in a row that is the same each time.
    @Test func randomChangesAreRefusedOrRewrittenSoundly() {
        var random = Xorshift(state: 0x9E37_79B9_7F4A_7C15)
        var rewriter = Rewriter()
        var rewritten = 0
        for round in 0..<10000 {
            let fixture = Fixture.all[round % Fixture.all.count]
            var body = fixture.input
            for _ in 0...random.below(6) { shake(&body, &random) }
            if check(body, fixture.request, &rewriter) { rewritten += 1 }
        }
        #expect(rewritten > 1000)
    }

    /// Ranges that lie outside the body are as good as empty.
    @Test func rangesOutsideTheBodyAreEmpty() {
        let body = Array("v=0\r\n".utf8)
        var description = SessionDescription()
        for range in [
            ByteRange(start: -5, count: 3), ByteRange(start: 99, count: 5), ByteRange(start: 5, count: .max),
            ByteRange(start: .max, count: .max), ByteRange(start: .min, count: 1),
        ] {
            #expect(throws: SDPFault(.noVersion)) { try description.parse(body.span, range) }
        }
    }

    /// Whether `body` parses; records an issue where a rule is broken.
    @discardableResult
    private func check(_ body: [UInt8], _ request: RewriteRequest, _ rewriter: inout Rewriter) -> Bool {
        do throws(SDPFault) {
            let rewritten = try rewriter.rewrite(body, nil, request, anyStreams: true)
            let broken =
                brokenRule(rewritten, body, body.span.all) ?? brokenPromise(rewritten, request, &rewriter)
            if let broken { Issue.record("\(broken): \(String(decoding: body, as: UTF8.self).debugDescription)") }
            return true
        } catch {
            let lines = body.count { $0 == 0x0A } + 1
            if error.line < 0 || error.line > lines { Issue.record("line \(error.line) of \(lines)") }
            return false
        }
    }

    private func shake(_ body: inout [UInt8], _ random: inout Xorshift) {
        guard !body.isEmpty else { return }
        let index = random.below(body.count)
        switch random.below(5) {
        case 0: body[index] = UInt8(truncatingIfNeeded: random.next())
        case 1: body.remove(at: index)
        case 2: body.insert(contentsOf: body[index..<min(index + random.below(40), body.count)], at: index)
        case 3: body.removeSubrange(index..<min(index + random.below(40), body.count))
        default: body.insert(contentsOf: body[index...].prefix(60), at: random.below(body.count))
        }
    }
}

/// A generator with a fixed row of numbers.
struct Xorshift {
    var state: UInt64

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }

    /// From 0 up to, not including, `limit`.
    mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }
}
