// SPDX-License-Identifier: GPL-2.0-or-later
// Every golden SIP body: where its session description stands.

import Bytes
import Fixtures
import FuzzProperties
import SDP
import Testing

/// One file of `Tests/Fixtures/body`: `input` is the body, `content-type` and `content-length` are the values of these
/// headers where there are such parts; `expected` is the session description, `fault` why there is none.
struct BodyFixture: CustomTestStringConvertible, Sendable {
    let name: String
    let input: [UInt8]
    let contentType: [UInt8]?
    let contentLength: Int?
    let expected: [UInt8]?
    let expectedFault: String?

    var testDescription: String { name }

    static let files = FixtureFile.all("body")
    static let all = files.map(BodyFixture.init)

    init(_ file: FixtureFile) {
        name = file.name
        input = file["input"] ?? []
        contentType = file["content-type"]
        contentLength = file.text("content-length").flatMap { Int($0) }
        expected = file["expected"]
        expectedFault = file.text("fault")
    }

    /// Where `body`, with this fixture's headers, has its session description.
    func find(in body: [UInt8], _ type: [UInt8]?, _ length: Int?) throws(BodyFault) -> ByteRange {
        guard let type else { return try BodyPart.find(in: body.span, contentType: nil, contentLength: length) }
        return try BodyPart.find(in: body.span, contentType: type.span, contentLength: length)
    }
}

@Suite struct BodyPartTests {
    @Test func thereAreFixtures() {
        #expect(BodyFixture.all.count >= 45)
        for file in BodyFixture.files {
            let parts = file.parts.filter { !["content-type", "content-length"].contains($0) }
            #expect([["input", "expected"], ["input", "fault"]].contains(parts), "\(file.name)")
        }
    }

    @Test(arguments: BodyFixture.all)
    func theSessionDescriptionIsFound(_ fixture: BodyFixture) {
        do throws(BodyFault) {
            let range = try fixture.find(in: fixture.input, fixture.contentType, fixture.contentLength)
            #expect(text(fixture.input, range) == fixture.expected.map { String(decoding: $0, as: UTF8.self) })
            #expect(fixture.expectedFault == nil)
        } catch {
            #expect("\(error.reason)" + (error.line > 0 ? " \(error.line)" : "") == fixture.expectedFault)
        }
    }

    /// Bodies and Content-Types cut short: a range inside the body or a fault, never a trap.
    @Test(arguments: BodyFixture.all)
    func everyPrefixIsRefusedOrSound(_ fixture: BodyFixture) {
        for length in 0...fixture.input.count {
            check(fixture, Array(fixture.input.prefix(length)), fixture.contentType, nil)
            check(fixture, fixture.input, fixture.contentType, length)
        }
        guard let type = fixture.contentType else { return }
        for length in 0...type.count { check(fixture, fixture.input, Array(type.prefix(length)), nil) }
    }

    /// Each byte in turn becomes each of those that divide or end something; every other fixture will do.
    @Test(arguments: BodyFixture.all.enumerated().filter { $0.offset % 2 == 0 }.map(\.element))
    func everyByteMayTurnIntoAnother(_ fixture: BodyFixture) {
        let poisons = Array("\0\n\r\t -:;=/\"\\b".utf8) + [0x7F, 0xFF]
        var body = fixture.input
        for index in body.indices {
            let original = body[index]
            for poison in poisons {
                body[index] = poison
                check(fixture, body, fixture.contentType, fixture.contentLength)
            }
            body[index] = original
        }
        guard var type = fixture.contentType else { return }
        for index in type.indices {
            let original = type[index]
            for poison in poisons {
                type[index] = poison
                check(fixture, fixture.input, type, nil)
            }
            type[index] = original
        }
    }

    @Test(arguments: [Int.min, -1, 0, 4, Int.max])
    func lengthsThatDoNotFitAreRefused(_ length: Int) {
        let body = Array("v=0".utf8)
        #expect(throws: BodyFault(.lengthDoesNotFit)) {
            try BodyPart.find(in: body.span, contentType: nil, contentLength: length)
        }
    }

    private func check(_ fixture: BodyFixture, _ body: [UInt8], _ type: [UInt8]?, _ length: Int?) {
        guard let range = try? fixture.find(in: body, type, length) else { return }
        if range.isEmpty || range.start < 0 || range.end > body.count { Issue.record("\(range) of \(body.count)") }
    }
}
