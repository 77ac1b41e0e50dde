// SPDX-License-Identifier: GPL-2.0-or-later
// What processes that share the module's memory see of each other.

import Testing

@Suite struct ProcessTests {
    @Test func aChangeIsSeenByAll() throws {
        try HostProgram.processes.get().expect("a-change-is-seen-by-all")
    }

    @Test func aChangeOutlivesItsProcess() throws {
        try HostProgram.processes.get().expect("a-change-outlives-its-process")
    }

    @Test func aChangeIsNeverSeenByHalf() throws {
        try HostProgram.processes.get().expect("a-change-is-never-seen-by-half")
    }

    @Test func aDeadRTPProxyIsReportedOnce() throws {
        try HostProgram.processes.get().expect("a-dead-rtpproxy-is-reported-once")
    }

    @Test func workersGetTheirOwnAnswers() throws {
        try HostProgram.processes.get().expect("workers-get-their-own-answers")
    }

    @Test func processesKilledAtAnyMomentLeaveAllUsable() throws {
        try HostProgram.killed.get().expect("processes-killed-at-any-moment-leave-all-usable")
    }
}
