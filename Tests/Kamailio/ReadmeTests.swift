// SPDX-License-Identifier: GPL-2.0-or-later
// README.md and docs/ against what there is: their examples are files, and nothing that the module exports is left out.

import Foundation
import TestSupport
import Testing

@Suite struct ReadmeTests {
    /// The languages whose blocks are configuration or code, and must stand in a file.
    private static let code: Set<String> = ["kamailio", "javascript", "lua", "python", "sql"]

    /// The text of a file of the glue.
    private func glue(_ name: String) throws -> String {
        try String(contentsOfFile: "\(PackageFolder.root)/kamailio-glue/\(name)", encoding: .utf8)
    }

    @Test func everyExampleStandsInAFileThatATestRuns() throws {
        let files =
            try ReadmeExample.names().map { "\n" + (try PackageFolder.fixture("readme/\($0)")) + "\n" }
            + Example.names().map { "\n" + (try Example.text($0)) + "\n" }
        let blocks = try Readme.blocks().filter { Self.code.contains($0.language) }
        #expect(blocks.count > 20)
        for block in blocks {
            #expect(
                files.contains { $0.contains("\n\(block.text)\n") },
                "\(block): not in Tests/Fixtures/readme or examples")
        }
    }

    @Test func blocksAreOfLanguagesThatATestKnows() throws {
        let known = Self.code.union(["sh", "console", "log", "text"])
        for block in try Readme.blocks() { #expect(known.contains(block.language), "\(block)") }
    }

    @Test func theCompleteConfigurationIsTheFile() throws {
        let file = try PackageFolder.fixture("readme/kamailio.cfg")
        #expect(try Readme.blocks().contains { $0.text + "\n" == file })
    }

    @Test func everyParameterHasASectionAndAnExample() throws {
        let source = try glue("module.c")
        let parameters = try Readme.matches(#"(?m)^\t(?:TEXT|NUMBER|VARIABLE|OWN)\((\w+)[,)]"#, in: source)
        #expect(parameters.count >= 25)
        let sections = try Readme.sections(of: "Parameters")
        #expect(Set(sections) == Set(parameters))
        #expect(sections.count == parameters.count)
        let examples = try Readme.blocks().filter { $0.language == "kamailio" }.map(\.text).joined(separator: "\n")
        for parameter in parameters { #expect(examples.contains("modparam(\"rtpproxy\", \"\(parameter)\", ")) }
    }

    @Test func everyFunctionHasASectionAndAnExample() throws {
        let functions = Set(try Readme.matches(#"\{"(\w+)", \(cmd_function\)"#, in: glue("script.c")))
        #expect(functions.count >= 11)
        let headings = try Readme.sections(of: "Functions").joined(separator: "\n")
        #expect(Set(try Readme.matches(#"(\w+)\("#, in: headings)) == functions)
        let examples = try Readme.blocks().filter { $0.language == "kamailio" }.map(\.text).joined(separator: "\n")
        for function in functions { #expect(examples.contains("\(function)("), "\(function) has no example") }
    }

    @Test func everyVariableHasASection() throws {
        let variables = try Readme.matches(#"STR_STATIC_INIT\("(\w+)"\)"#, in: glue("pvar.c"))
        #expect(variables.count >= 2)
        let headings = try Readme.sections(of: "Variables").joined(separator: "\n")
        #expect(Set(try Readme.matches(#"\$(\w+)"#, in: headings)) == Set(variables))
    }

    @Test func everyRPCCommandHasASectionAndAnExample() throws {
        let commands = try Readme.matches(#"\{"(rtpproxy\.\w+)", rpc_"#, in: glue("rpc.c"))
        #expect(commands.count >= 2)
        #expect(Set(try Readme.sections(of: "RPC commands")) == Set(commands))
        let examples = try Readme.blocks().filter { $0.language == "console" }.map(\.text).joined(separator: "\n")
        for command in commands { #expect(examples.contains("$ kamcmd \(command)")) }
    }

    @Test func everyCounterIsInTheTableAndNoOther() throws {
        let table = try String(
            contentsOfFile: "\(PackageFolder.root)/Sources/CallControl/Statistics/Counters.swift", encoding: .utf8)
        let counters = try Readme.matches(#"CounterRow\(\s*"(\w+)""#, in: table)
        #expect(counters.count > 30)
        let chapter = try Readme.chapter("Counters")
        #expect(try Readme.matches(#"(?m)^\| `(\w+)` \|"#, in: chapter) == counters)
    }

    @Test func everyFlagIsInTheTable() throws {
        let source = try String(
            contentsOfFile: "\(PackageFolder.root)/Sources/CallControl/Calls/CallFlags.swift", encoding: .utf8)
        let flags = try Readme.matches(#"case UInt8\(ascii: "(.)"\)"#, in: source)
        #expect(flags.count > 15)
        let cells = try Readme.matches(#"(?m)^\| (`[^|]*) \|"#, in: Readme.chapter("Flags"))
        let listed = try cells.flatMap { try Readme.matches("`([0-9a-z])N*`", in: $0) }
        #expect(Set(listed) == Set(flags))
    }

    @Test func everyMetricIsInTheTable() throws {
        func names(_ file: String, _ pattern: String) throws -> [String] {
            let path = "\(PackageFolder.root)/Sources/CallControl/Statistics/\(file)"
            return try Readme.matches(pattern, in: String(contentsOfFile: path, encoding: .utf8))
        }
        let metrics = try names("Metrics.swift", #""(node_\w+)""#)
        #expect(metrics.count > 10)
        let table = try String(
            contentsOfFile: "\(PackageFolder.root)/Sources/CallControl/Statistics/Counters.swift", encoding: .utf8)
        let gauges = try Readme.matches(
            #"CounterRow\(\s*"(\w+)""#, in: #require(table.components(separatedBy: "enum ServerGauge").last))
        #expect(gauges.count > 5)
        let chapter = try Readme.chapter("$rtpp_metrics, $rtpp_metrics_page(N), $rtpp_metrics_pages")
        for name in metrics + gauges {
            #expect(
                chapter.contains("`rtpproxy_\(name)`") || chapter.contains("`rtpproxy_\(name)_total`"), "\(name)")
        }
    }

    @Test func everyKEMINameIsListed() throws {
        let names = try Readme.matches(#"KEMI\("(\w+)""#, in: glue("script.c"))
        #expect(names.count >= 17)
        let text = try Readme.text()
        for name in names { #expect(text.contains("`\(name)("), "KSR.rtpproxy.\(name)") }
        #expect(Set(try Readme.matches(#"KSR\.rtpproxy\.(\w+)\("#, in: text)).isSubset(of: Set(names)))
    }

    @Test func everyMakeTargetThatIsNamedExists() throws {
        let help = try ChildProcess.run("make", ["--no-print-directory", "-C", PackageFolder.root, "help"])
        #expect(help.end == .exited(0))
        let targets = Set(try Readme.matches(#"(?m)^make (\S+)"#, in: help.output))
        let named = try Readme.matches(#"(?:`|^|sudo |\$ )make ([a-z][a-z0-9.-]*)"#, in: Readme.text())
        #expect(Set(named).isSuperset(of: ["demo", "test", "install", "uninstall"]))
        for target in Set(named) { #expect(targets.contains(target), "make \(target)") }
        let makefile = try String(contentsOfFile: "\(PackageFolder.root)/Makefile", encoding: .utf8)
        for variable in try Readme.matches(#"make [a-z]* ?([A-Z_]+)="#, in: Readme.text()) {
            #expect(makefile.contains("\(variable) ?="), "make \(variable)=")
        }
    }

    @Test func everyFileAndFolderThatIsNamedExists() throws {
        let roots = "(?:Sources|Tests|Include|docs|examples|kamailio-glue|scripts|packaging|\\.ci)"
        let named = try Readme.matches("[` (](\(roots)/[A-Za-z0-9_./-]*)", in: Readme.text())
        #expect(named.count > 10)
        for path in Set(named) {
            #expect(FileManager.default.fileExists(atPath: "\(PackageFolder.root)/\(path)"), "\(path)")
        }
    }

    @Test func everyLinkLeadsToAPageAndAHeading() throws {
        var count = 0
        for page in Readme.pages {
            let folder = (page.path as NSString).deletingLastPathComponent
            for link in try Readme.matches(#"\]\(([^):]*)\)"#, in: page.text) {
                count += 1
                let parts = link.components(separatedBy: "#")
                var path = page.path
                if !parts[0].isEmpty {
                    path = ("/" + folder + "/" + parts[0] as NSString).standardizingPath
                    path = String(path.drop { $0 == "/" })
                }
                let exists = FileManager.default.fileExists(atPath: "\(PackageFolder.root)/\(path)")
                #expect(exists, Comment(rawValue: "\(page.path): \(link)"))
                guard parts.count == 2, let target = Readme.pages.first(where: { $0.path == path }) else { continue }
                #expect(Readme.anchors(of: target.text).contains(parts[1]), "\(page.path): \(link)")
            }
        }
        #expect(count > 80)
    }

    @Test func everyPageIsLinkedFromTheFirst() throws {
        let first = Readme.pages[0].text
        for page in Readme.pages.dropFirst() { #expect(first.contains("](\(page.path))"), "\(page.path)") }
        #expect(first.components(separatedBy: "\n").count < 100, "README is one screen")
    }
}
