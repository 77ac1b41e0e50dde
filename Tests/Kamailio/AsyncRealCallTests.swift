// SPDX-License-Identifier: GPL-2.0-or-later
// The demo's call with the asynchronous functions, through the real RTPProxy.

import TestSupport
import Testing

@Suite struct AsyncRealCallTests {
    @Test func callThatNoWorkerWaitsForHasItsAudioBothWaysAndIsDeleted() throws {
        let report = try DemoCall.run(asynchronously: true)
        #expect(report.problems.isEmpty, "\(report.text())")
    }
}
