// SPDX-License-Identifier: GPL-2.0-or-later
// Numeric addresses and their families.

import Bytes
import SDP
import Testing

@Suite struct AddressFamilyTests {
    private func family(_ text: String) -> AddressFamily? {
        let bytes = Array(text.utf8)
        return AddressFamily.ofNumeric(bytes.span, bytes.span.all)
    }

    @Test(arguments: ["0.0.0.0", "192.0.2.1", "255.255.255.255", "001.2.3.4"])
    func fourNumbersAreIPv4(_ text: String) {
        #expect(family(text) == .ipv4)
    }

    @Test(arguments: ["::", "::1", "2001:db8::1", "fe80::1%eth0", "::ffff:192.0.2.1"])
    func aColonMakesIPv6(_ text: String) {
        #expect(family(text) == .ipv6)
    }

    @Test(arguments: [
        "", ".", "...", "1.2.3", "1.2.3.", ".1.2.3", "1..2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.0004", "a.b.c.d",
        "example.net", "1.2.3.4 ", "99999999999999999999.1.1.1",
    ])
    func everythingElseIsAName(_ text: String) {
        #expect(family(text) == nil)
    }
}
