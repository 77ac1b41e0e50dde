// SPDX-License-Identifier: GPL-2.0-or-later
// What the tools of the linker say of a module's file.

import Foundation

/// The finished module, as a file.
enum ModuleFile {
    /// The names it offers to others, sorted.
    static func exports() throws -> [String] {
        try symbols("--defined-only").map(\.name)
    }

    /// The names it wants and that no library it loads has: those of Kamailio's core.
    static func wanted() throws -> [String] {
        // What a library brings carries its version; what may be missing is weak.
        try symbols("--undefined-only").filter { $0.kind == "U" && !$0.name.contains("@") }.map(\.name)
    }

    /// The libraries it loads.
    static func libraries() throws -> [String] {
        try run(["readelf", "--dynamic", "--wide", Project.module.path]).output.split(separator: "\n")
            .filter { $0.contains("(NEEDED)") }
            .compactMap { $0.split(separator: "[").last?.split(separator: "]").first.map(String.init) }
    }

    /// `module_version` and `module_flags` of a module, a line each.
    static func strings(of module: URL) throws -> Ended {
        try run([Project.root.appending(path: "build/tools/module-strings").path, module.path])
    }

    private static func symbols(_ which: String) throws -> [(kind: String, name: String)] {
        try run(["nm", "--dynamic", which, Project.module.path]).output.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            guard words.count >= 2 else { return nil }
            return (String(words[words.count - 2]), String(words[words.count - 1]))
        }.sorted { $0.name < $1.name }
    }
}
