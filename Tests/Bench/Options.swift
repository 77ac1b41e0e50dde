// SPDX-License-Identifier: GPL-2.0-or-later
// What the command line says, and what it may say.

import TestSupport

/// The settings of a run, given as NAME=value.
struct Options {
    var figures = Figure.all.filter { !$0.isOnlyByName }
    var runs = 5
    var isQuick = false
    /// The module that ours is compared with; nil: the distribution's.
    var against: String?
    var wantsHelp = false

    init(_ arguments: [String]) throws {
        var runsGiven: Int?
        for argument in arguments {
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            let value = parts.count == 2 ? parts[1] : ""
            switch parts[0] {
            case "help", "-h", "--help": wantsHelp = true
            case "QUICK": isQuick = value != "" && value != "0"
            case "AGAINST": against = value.isEmpty ? nil : value
            case "RUNS" where value.isEmpty: break
            case "RUNS":
                guard let number = Int(value), (1...100).contains(number) else {
                    throw HarnessError("RUNS is a number of 1 to 100, not \"\(value)\"")
                }
                runsGiven = number
            case "FIGURES": try take(figures: value)
            default: throw HarnessError("\"\(argument)\" is unknown; try FIGURES=help")
            }
        }
        runs = runsGiven ?? (isQuick ? 1 : 5)
    }

    private mutating func take(figures value: String) throws {
        let names = value.split { $0 == "," || $0 == " " }.map(String.init)
        if names == ["help"] { wantsHelp = true }
        guard !names.isEmpty, !wantsHelp else { return }
        figures = try names.map { name in
            guard let figure = Figure.all.first(where: { $0.name == name }) else {
                let known = Figure.all.map(\.name).joined(separator: ", ")
                throw HarnessError("there is no figure \"\(name)\"; there are \(known)")
            }
            return figure
        }
    }
}

/// The help, fit to be read in a terminal or pasted into a manual.
enum Help {
    static var text: String {
        let width = Figure.all.map(\.name.count).max() ?? 0
        let figures = Figure.all.map { figure in
            "  \(figure.name.padding(width))  \(figure.title)"
        }
        return """
            make bench [FIGURES=name,name...] [RUNS=n] [QUICK=1] [AGAINST=path/to/rtpproxy.so]

            Measures the distribution's rtpproxy.so ("stock") and build/rtpproxy.so ("ours") in the same Kamailio, with
            the same load and the same relay, and prints one table. Nothing leaves the loopback interface.

              FIGURES   what to measure; if not said all of it but instructions
              RUNS      how often; both modules have their turn in each run (default 5, some ten minutes; with QUICK 1)
              QUICK=1   small numbers, under a minute: shows that everything works, the figures mean little
              AGAINST   another build to compare with, instead of the distribution's

            \(figures.joined(separator: "\n"))

            How it is done. The relay is a scripted RTPProxy in one process and one socket, which answers after a fixed
            delay, stays silent, or loses commands at random with a fixed seed. The load generator keeps a given number
            of INVITEs in flight; Kamailio calls rtpproxy_offer() and forwards them statelessly back to it. Each
            forwarded INVITE is checked: the relay's address, and the right port for every stream. Both programs are C,
            take a few microseconds per call, and share the machine's cores with Kamailio.

            For the figures that begin with "async" Kamailio has tm, and its script answers the INVITE with 200 when
            the offer is made: after rtpproxy_offer() ("stock", "ours"), and in the route that the transaction goes on
            in after rtpproxy_offer_async() ("ours, asynchronous"). A call is over with that answer; it is acknowledged.

            How to read it. A figure is the median of the runs, with the smallest and the biggest in parentheses; the
            ratio is ours by stock's, the asynchronous one by stock's where there is one. "Worst" is the worst call of a run. Processor time is what the kernel has charged
            to all processes of Kamailio, user and system, less what the same number of INVITEs took that the script
            forwarded without calling the module. Everything runs on one core then, and Kamailio
            with its allocator fm: the default one, qm, takes its time by how much was configured. Times depend on the machine and on what else it does; ratios less so.

            "instructions" needs Valgrind. Kamailio runs in callgrind, which counts the worker's user-space instructions
            from one message to the next; a figure is the median of the INVITEs with the module less that of the same
            INVITEs without. It has a column of its own for the build that AGAINST names.

            What is flagged with "!!" does not work: a call answered wrongly, or lost where none may be. For ours that
            makes the command fail. A slow figure never does.
            """
    }
}
