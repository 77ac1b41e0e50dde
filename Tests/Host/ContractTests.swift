// SPDX-License-Identifier: GPL-2.0-or-later
// The Swift half, held to its side of the contract by a host that is not Kamailio.

import Testing

@Suite struct ContractTests {
    @Test func bothSidesSpeakOneVersion() throws {
        try HostProgram.contract.get().expect("both-sides-speak-one-version")
    }

    @Test func anotherVersionIsRefused() throws {
        try HostProgram.contract.get().expect("another-version-is-refused")
    }

    @Test func nullIsRefusedAtCreation() throws {
        try HostProgram.contract.get().expect("null-is-refused-at-creation")
    }

    @Test func aMissingServiceIsRefused() throws {
        try HostProgram.contract.get().expect("a-missing-service-is-refused")
    }

    @Test func nullModuleIsRefused() throws {
        try HostProgram.contract.get().expect("null-module-is-refused")
    }

    @Test func nullArgumentIsRefused() throws {
        try HostProgram.contract.get().expect("null-argument-is-refused")
    }

    @Test func absentFieldsAreNoMessage() throws {
        try HostProgram.contract.get().expect("absent-fields-are-no-message")
    }

    @Test func aNodeBeyondTheLastIsNotFound() throws {
        try HostProgram.contract.get().expect("a-node-beyond-the-last-is-not-found")
    }

    @Test func anUnknownURLIsNotFound() throws {
        try HostProgram.contract.get().expect("an-unknown-url-is-not-found")
    }

    @Test func tooSmallABlockIsRefused() throws {
        try HostProgram.contract.get().expect("too-small-a-block-is-refused")
    }

    @Test func eachNodeNeedsRoom() throws {
        try HostProgram.contract.get().expect("each-node-needs-room")
    }

    @Test func aScribbledBlockIsRefused() throws {
        try HostProgram.contract.get().expect("a-scribbled-block-is-refused")
    }

    @Test func callsBeforeAttachingFail() throws {
        try HostProgram.contract.get().expect("calls-before-attaching-fail")
    }

    @Test func faultsAreReportedAllAtOnce() throws {
        try HostProgram.contract.get().expect("faults-are-reported-all-at-once")
    }

    @Test func tooSmallAnOutputSaysWhatIsNeeded() throws {
        try HostProgram.contract.get().expect("too-small-an-output-says-what-is-needed")
    }

    @Test func inputIsNeverWrittenTo() throws {
        try HostProgram.contract.get().expect("input-is-never-written-to")
    }

    @Test func nothingBehindTheBodyIsRead() throws {
        try HostProgram.contract.get().expect("nothing-behind-the-body-is-read")
    }
}
