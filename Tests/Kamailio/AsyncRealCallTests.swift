// SPDX-License-Identifier: GPL-2.0-or-later
// The demo's call with the asynchronous functions, through the real relays.

import TestSupport
import Testing

@Suite struct AsyncRealCallTests {
    @Test(arguments: RelayKind.allCases)
    func callThatNoWorkerWaitsForHasItsAudioBothWaysAndIsDeleted(_ kind: RelayKind) throws {
        let report = try DemoCall.run(kind, asynchronously: true)
        #expect(report.problems.isEmpty, "\(report.text())")
    }
}
