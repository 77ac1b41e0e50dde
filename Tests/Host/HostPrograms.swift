// SPDX-License-Identifier: GPL-2.0-or-later
// Builds the C programs of this folder, once for all tests of a run, and runs their cases.

import Foundation
import TestSupport
import Testing

/// The project as this file finds it.
enum Project {
    /// The folder of `Package.swift`.
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// The C programs.
    static let programs = root.appending(path: "Tests/Host/Programs")

    /// What the module is linked of besides the glue proper, as `make` leaves it.
    static let objects = ["build/embedded/rtpproxy.bc", "build/embedded/cposix.o", "build/glue/runtime.o"].map {
        root.appending(path: $0)
    }

    /// The module under test: what `make test` names, else what `make` left.
    static let module =
        ProcessInfo.processInfo.environment["RTPPROXY_MODULE"].map { URL(filePath: $0) }
        ?? root.appending(path: "build/rtpproxy.so")
}

/// How a command ended.
struct Ended {
    /// Exit status; of a process that a signal ended, 128 and the signal.
    var status: Int32
    /// Standard output and standard error.
    var output: String
}

/// A host program that could not be built; the text says which command failed, and how.
struct NotBuilt: Error, CustomStringConvertible {
    var description: String
}

/// Runs a command found in PATH to its end, which has to come within two minutes.
func run(_ command: [String]) throws -> Ended {
    let (end, output) = try ChildProcess.run(command[0], Array(command.dropFirst()), within: 120)
    return switch end {
    case .exited(let status): Ended(status: status, output: output)
    case .signalled(let signal): Ended(status: 128 + signal, output: output)
    }
}

/// A program of `Tests/Host/Programs`, built into a temporary folder.
struct HostProgram {
    /// Where it was built.
    let path: URL

    /// Runs one case of it; the case holds if that ends with 0 and nothing is said.
    func expect(_ name: String, _ more: String..., sourceLocation: SourceLocation = #_sourceLocation) throws {
        let ended = try run([path.path, name] + more)
        #expect(ended.status == 0, "\(name): \(ended.output)", sourceLocation: sourceLocation)
    }

    /// Life cycle, statuses and sizes of the contract.
    static let contract = Result { try linkedWithSwift("contract") }
    /// What processes see of each other.
    static let processes = Result { try linkedWithSwift("processes") }
    /// What processes leave behind that are killed.
    static let killed = Result { try linkedWithSwift("killed") }
    /// What calls allocate.
    static let allocations = Result { try linkedWithSwift("allocations") }
    /// Loads the module.
    static let load = Result { try linkedWithStandIns("load") }

    /// A folder that lives as long as the run.
    private static let folder: Result<URL, any Error> = Result {
        let folder = FileManager.default.temporaryDirectory.appending(path: "rtpproxy-host-\(getpid())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        atexit {
            guard case .success(let folder) = HostProgram.folder else { return }
            try? FileManager.default.removeItem(at: folder)
        }
        return folder
    }

    /// A program of `world.c` and its own file, with the Swift half of the module inside.
    private static func linkedWithSwift(_ name: String) throws -> HostProgram {
        for object in Project.objects where !FileManager.default.fileExists(atPath: object.path) {
            throw NotBuilt(description: "\(object.path) is missing; run: make")
        }
        let path = try folder.get().appending(path: name)
        let objects = try [name, "world"].map { source in
            let object = path.appendingPathExtension("\(source).o")
            try succeed(
                compiler + ["-c", Project.programs.appending(path: "\(source).c").path, "-o", object.path])
            return object.path
        }
        // The Swift half is bitcode, which that of the toolchain can read.
        try succeed(["clang", "-O1", "-o", path.path] + objects + Project.objects.map(\.path) + ["-lm"])
        return HostProgram(path: path)
    }

    /// A program that offers a stand-in for each symbol that the module wants of Kamailio's core.
    private static func linkedWithStandIns(_ name: String) throws -> HostProgram {
        let path = try folder.get().appending(path: name)
        let standIns = path.appendingPathExtension("core.c")
        let wanted = try ModuleFile.wanted().map { "char \($0)[256] __attribute__((aligned(64)));\n" }
        try Data(wanted.joined().utf8).write(to: standIns)
        try succeed(
            compiler + ["-fno-builtin", "-rdynamic", "-w", Project.programs.appending(path: "\(name).c").path]
                + [standIns.path, "-o", path.path])
        return HostProgram(path: path)
    }

    private static let compiler = [
        "gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-I",
        Project.root.appending(path: "Include").path,
    ]

    private static func succeed(_ command: [String]) throws {
        let ended = try run(command)
        guard ended.status == 0 else {
            throw NotBuilt(description: "\(command.joined(separator: " "))\n\(ended.output)")
        }
    }
}
