// SPDX-License-Identifier: GPL-2.0-or-later
// Who begins a DTLS handshake (RFC 4145, RFC 5763, RFC 8842).

import Bytes
import SDP
import Testing

@Suite struct SetupRoleTests {
    @Test(arguments: [
        ("active", SetupAttribute.active), ("PASSIVE", .passive), ("actPass", .actpass), ("holdconn", .holdconn),
    ])
    func theFourValuesAreReadInEitherCase(_ text: String, _ expected: SetupAttribute) {
        let bytes = Array(text.utf8)
        #expect(SetupAttribute(bytes.span, bytes.span.all) == expected)
        #expect("\(expected.text)" == text.lowercased())
    }

    @Test(arguments: ["", "act", "actpass ", "actpassive", "client"])
    func nothingElseIsAValue(_ text: String) {
        let bytes = Array(text.utf8)
        #expect(SetupAttribute(bytes.span, bytes.span.all) == nil)
    }

    @Test func anOfferAlwaysLeavesTheChoice() { #expect(DTLSRole.offer == .actpass) }

    /// What the offer says, the answerer's role so far, and its role from now on.
    @Test(
        arguments: [
            (SetupAttribute.actpass, DTLSRole?.none, DTLSRole?.some(.server)), (.active, nil, .server),
            (.passive, nil, .client), (nil, nil, .server), (.holdconn, nil, nil),
            // A re-offer leaves the roles as they are, unless it takes one itself.
            (.actpass, .client, .client), (.actpass, .server, .server), (.active, .client, .server),
            (.passive, .server, .client), (.holdconn, .client, nil),
        ] as [(SetupAttribute?, DTLSRole?, DTLSRole?)])
    func whoAnswersFits(_ offered: SetupAttribute?, _ current: DTLSRole?, _ expected: DTLSRole?) {
        let role = DTLSRole.answering(offered, current: current)
        #expect(role == expected)
        // An answer is one of the two, and never the offerer's own.
        #expect(role.map { $0.answer == .active || $0.answer == .passive } ?? true)
        #expect(offered == nil || offered == .actpass || role?.answer != offered)
    }

    @Test(
        arguments: [
            (SetupAttribute.active, DTLSRole?.none, DTLSRole?.some(.server)), (.passive, nil, .client),
            (.actpass, nil, .server), (nil, nil, .server), (.holdconn, nil, nil), (nil, .client, .client),
            (.actpass, .client, .client), (.active, .client, .server), (.passive, .server, .client),
        ] as [(SetupAttribute?, DTLSRole?, DTLSRole?)])
    func whoHasOfferedFits(_ answered: SetupAttribute?, _ current: DTLSRole?, _ expected: DTLSRole?) {
        #expect(DTLSRole.offering(answered: answered, current: current) == expected)
    }

    /// Whatever the offer is, its two ends take different roles.
    @Test func twoEndsHaveOppositeRoles() {
        for current in [DTLSRole?.none, .client, .server] {
            guard let answerer = DTLSRole.answering(DTLSRole.offer, current: current) else { continue }
            let offerer = DTLSRole.offering(answered: answerer.answer, current: current?.opposite)
            #expect(offerer == answerer.opposite)
        }
    }
}
