// SPDX-License-Identifier: GPL-2.0-or-later
// Nothing is allocated on the call path once the module is warm.

import Testing

@Suite struct AllocationTests {
    @Test func theAllocatorIsCounted() throws {
        try HostProgram.allocations.get().expect("the-allocator-is-counted")
    }

    @Test func aCallAllocatesNothing() throws {
        try HostProgram.allocations.get().expect("a-call-allocates-nothing")
    }

    @Test func aManagedCallAllocatesNothing() throws {
        try HostProgram.allocations.get().expect("a-managed-call-allocates-nothing")
    }

    @Test func aRefusedCallAllocatesNothing() throws {
        try HostProgram.allocations.get().expect("a-refused-call-allocates-nothing")
    }

    @Test func promptsAndRecordingAllocateNothing() throws {
        try HostProgram.allocations.get().expect("prompts-and-recording-allocate-nothing")
    }

    @Test func figuresAllocateNothing() throws {
        try HostProgram.allocations.get().expect("figures-allocate-nothing")
    }
}
