// SPDX-License-Identifier: GPL-2.0-or-later
// Ends what the test process started, and removes its folders, however the test process itself ends.

import Foundation

/// A small shell process that holds the reading end of a pipe. When the test process is gone, in whatever way, the pipe
/// ends, and the janitor terminates the process groups and removes the folders that it was told of, unless it was told
/// since that they are gone.
final class Janitor: Sendable {
    static let shared = Janitor()

    private let pipeEnd: Int32

    private init() {
        let script = """
            trap '' INT TERM HUP; items=""
            while read -r item; do
              case "$item" in
                +*) items="$items ${item#+}" ;;
                -*) rest=""; for i in $items; do [ "$i" = "${item#-}" ] || rest="$rest $i"; done; items="$rest" ;;
              esac
            done
            for i in $items; do case "$i" in /*) ;; *) kill -s TERM -- "-$i" 2>/dev/null ;; esac; done
            [ -z "$items" ] || sleep 2
            for i in $items; do
              case "$i" in /tmp/rtpp-test-*) rm -rf -- "$i" ;; *) kill -s KILL -- "-$i" 2>/dev/null ;; esac
            done
            """
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            pipeEnd = -1
            return
        }
        for end in ends { closeOnExec(end) }
        let started = try? spawn(
            "/bin/sh", ["-c", script], standardInput: ends[0], output: "/dev/null", environment: nil)
        close(ends[0])
        pipeEnd = started == nil ? -1 : ends[1]
    }

    func watch(group: pid_t) { tell("+\(group)") }
    func forget(group: pid_t) { tell("-\(group)") }
    func watch(folder: String) { tell("+\(folder)") }
    func forget(folder: String) { tell("-\(folder)") }

    private func tell(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        _ = write(pipeEnd, bytes, bytes.count)
    }
}

/// Keeps a descriptor from the programs that are started.
func closeOnExec(_ descriptor: Int32) {
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
}

/// Starts a program in a process group of its own.
func spawn(
    _ program: String, _ arguments: [String], standardInput: Int32? = nil, output: String, environment: [String]?
) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    if let standardInput {
        posix_spawn_file_actions_adddup2(&actions, standardInput, 0)
    } else {
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    }
    posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o644)
    posix_spawn_file_actions_adddup2(&actions, 1, 2)
    // No other descriptor is inherited: a test that waits for the end of its pipe would wait for this program, too.
    for descriptor in Int32(3)..<512 { posix_spawn_file_actions_addclose(&actions, descriptor) }

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    var all = sigset_t()
    sigfillset(&all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(
        &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

    var argumentPointers = ([program] + arguments).map { strdup($0) } + [nil]
    defer { for pointer in argumentPointers { free(pointer) } }
    let variables = environment ?? ProcessInfo.processInfo.environment.map { "\($0.key)=\($0.value)" }
    var variablePointers = variables.map { strdup($0) } + [nil]
    defer { for pointer in variablePointers { free(pointer) } }
    var pid: pid_t = 0
    let status = posix_spawnp(&pid, program, &actions, &attributes, &argumentPointers, &variablePointers)
    guard status == 0 else { throw HarnessError("cannot start \(program): \(String(cString: strerror(status)))") }
    return pid
}
