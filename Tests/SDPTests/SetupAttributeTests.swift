// SPDX-License-Identifier: GPL-2.0-or-later
// Who begins a DTLS handshake, as `a=setup:` says it (RFC 4145, RFC 5763).

import Bytes
import SDP
import Testing

@Suite struct SetupAttributeTests {
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
}
