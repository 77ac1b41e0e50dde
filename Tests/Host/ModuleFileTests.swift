// SPDX-License-Identifier: GPL-2.0-or-later
// The finished module as a file, and what loading it does to a process.

import Foundation
import Testing

@Suite struct ModuleFileTests {
    @Test func onlyWhatKamailioLooksUpIsExported() throws {
        #expect(try ModuleFile.exports() == ["exports", "mod_register", "module_flags", "module_version"])
    }

    @Test func onlyLibcAndLibsystemdAreLoaded() throws {
        let libraries = try ModuleFile.libraries()
        let allowed = ["libc.so.6", "libm.so.6", "libsystemd.so.0"]
        #expect(libraries.contains("libc.so.6"))
        #expect(libraries.filter { !allowed.contains($0) && !$0.hasPrefix("ld-linux") } == [])
    }

    @Test func theLoaderFindsNoSwiftRuntime() throws {
        let loaded = try run(["ldd", Project.module.path])
        #expect(loaded.status == 0)
        #expect(!loaded.output.contains("swift"))
        #expect(!loaded.output.contains("Foundation"))
        #expect(!loaded.output.contains("not found"))
    }

    @Test func noEntryPointOfTheSwiftHalfIsLeftOpen() throws {
        #expect(try ModuleFile.wanted().filter { $0.hasPrefix("rtpp_") || $0.hasPrefix("$s") } == [])
    }

    @Test func versionAndFlagsAreThoseOfKamailio() throws {
        let stock = try #require(StockModule.path, "Kamailio is not installed; run: make setup")
        let (ours, theirs) = try (ModuleFile.strings(of: Project.module), ModuleFile.strings(of: stock))
        #expect(ours.status == 0)
        #expect(ours.output.hasPrefix("kamailio "))
        #expect(ours.output == theirs.output)
    }

    @Test func debugSymbolsStandBesideIt() throws {
        let sections = try run(["readelf", "--sections", "--wide", Project.module.path]).output
        #expect(sections.contains(".gnu_debuglink"))
        #expect(!sections.contains(".symtab"))
        #expect(!sections.contains(".debug_info"))
        let beside = try run(["readelf", "--sections", "--wide", Project.module.path + ".debug"]).output
        #expect(beside.contains(".debug_info"))
    }

    @Test func loadingChangesNoSignalHandler() throws {
        try HostProgram.load.get().expect("signals-stay", Project.module.path)
    }

    @Test func loadingStartsNoThread() throws {
        try HostProgram.load.get().expect("no-thread-starts", Project.module.path)
    }

    @Test func loadingLeavesNoDescriptorOpen() throws {
        try HostProgram.load.get().expect("no-descriptor-stays-open", Project.module.path)
    }

    @Test func loadingStartsNoTimer() throws {
        try HostProgram.load.get().expect("no-timer-starts", Project.module.path)
    }

    @Test func loadingChangesNoEnvironment() throws {
        try HostProgram.load.get().expect("environment-stays", Project.module.path)
    }
}

/// A module of the Kamailio that is tested with.
enum StockModule {
    /// Where `pv.so` is, as the build finds it; nil without Kamailio.
    static let path: URL? = {
        let other = ProcessInfo.processInfo.environment["KAMAILIO"] ?? ""
        let finder = Project.root.appending(path: "scripts/kamailio.sh").path
        guard let found = try? run([finder, other]),
            found.status == 0
        else { return nil }
        return URL(filePath: found.output.trimmingCharacters(in: .newlines)).appending(path: "pv.so")
    }()
}
