// SPDX-License-Identifier: GPL-2.0-or-later
// Numeric addresses and their families.

import Bytes
import Testing

@Suite struct AddressTextTests {
    private func family(_ text: String) -> AddressFamily? {
        let bytes = Array(text.utf8)
        return AddressText.family(bytes.span, bytes.span.all)
    }

    @Test(arguments: ["0.0.0.0", "192.0.2.1", "255.255.255.255", "001.2.3.4"])
    func fourNumbersAreIPv4(_ text: String) {
        #expect(family(text) == .ipv4)
    }

    @Test(arguments: ["::", "::1", "2001:db8::1", "::ffff:192.0.2.1", "1:2:3:4:5:6:7:8", "1::8", "1:2:3:4:5:6:7::"])
    func groupsOfHexDigitsAreIPv6(_ text: String) {
        #expect(family(text) == .ipv6)
    }

    @Test(arguments: [
        "", ".", "...", "1.2.3", "1.2.3.", ".1.2.3", "1..2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.0004", "a.b.c.d",
        "example.net", ":", ":::", "1:2", "1::2::3", "fe80::1%eth0", "1:2:3:4:5:6:7:8:9", "12345::", "g::", "::1.2.3",
        "1:2:3:4:5:6:7:8::", "[::1]", ":1::", "1:", "1.2.3.4 ", "99999999999999999999.1.1.1",
        "1.2.3.256", "1.2.1000.3", "1.0001.2.3", "999999999.1.1.1",
    ])
    func everythingElseIsAName(_ text: String) {
        #expect(family(text) == nil)
    }

    @Test(arguments: [
        ("0.0.0.0", true), ("::", true), ("0:0:0:0:0:0:0:0", true), ("::0", true), ("0.0.0.1", false),
        ("::1", false), ("0", false), (":::", false), ("", false),
    ])
    func nullAddressesAskForHold(_ text: String, _ isNull: Bool) {
        let bytes = Array(text.utf8)
        #expect(AddressText.isNull(bytes.span, bytes.span.all) == isNull)
    }
}
