// SPDX-License-Identifier: GPL-2.0-or-later
// The one place that knows error numbers of the system.

private import CPosix

/// Why a system call failed.
package struct SystemError: Error, Equatable, Sendable {
    /// The error number, as errno(3) lists them.
    package let code: Int32

    package init(code: Int32) { self.code = code }

    /// Nothing listens at the address.
    package static let refused = SystemError(code: ECONNREFUSED)
    /// The peer went away in the middle.
    package static let reset = SystemError(code: ECONNRESET)
    /// The peer went away before it was written to.
    package static let brokenPipe = SystemError(code: EPIPE)
    /// Not now.
    package static let again = SystemError(code: EAGAIN)
    /// A connection is being made.
    static let inProgress = SystemError(code: EINPROGRESS)
    /// A signal came first.
    package static let interrupted = SystemError(code: EINTR)
    /// The system has no room for the packet now.
    package static let noBuffers = SystemError(code: ENOBUFS)
    /// This process has no descriptor left.
    package static let processDescriptors = SystemError(code: EMFILE)
    /// The whole system has none left.
    package static let systemDescriptors = SystemError(code: ENFILE)
    /// The kernel has no memory.
    package static let noMemory = SystemError(code: ENOMEM)
    /// The datagram is larger than can be sent.
    package static let tooLarge = SystemError(code: EMSGSIZE)
    /// No route.
    package static let networkUnreachable = SystemError(code: ENETUNREACH)
    /// No such socket file.
    package static let noFile = SystemError(code: ENOENT)
    /// Another socket has the address, or a file is in the way.
    package static let inUse = SystemError(code: EADDRINUSE)
    /// A file is in the way.
    package static let exists = SystemError(code: EEXIST)
    /// An argument that cannot be.
    package static let invalid = SystemError(code: EINVAL)

    /// Whether the fault lies in this process or host and says nothing about the node.
    package var isLocal: Bool {
        switch self {
        case .processDescriptors, .systemDescriptors, .noMemory, .noBuffers, .tooLarge, .invalid: true
        default: false
        }
    }

    /// A few words for a log line; the number says the rest.
    package var text: StaticString {
        switch self {
        case .refused: "connection refused"
        case .reset: "connection closed by the peer"
        case .brokenPipe: "broken pipe"
        case .again: "resource temporarily unavailable"
        case .interrupted: "interrupted"
        case .noBuffers: "no buffer space"
        case .inUse: "address already in use"
        case .exists: "a file that is no socket is in the way"
        case .processDescriptors: "too many open files in this process"
        case .systemDescriptors: "too many open files in the system"
        case .noMemory: "out of memory"
        case .tooLarge: "message too long"
        case .networkUnreachable: "network unreachable"
        case .noFile: "no such socket"
        case .invalid: "invalid argument"
        case SystemError(code: EHOSTUNREACH): "host unreachable"
        case SystemError(code: EACCES): "permission denied"
        case SystemError(code: EPERM): "not permitted"
        default: "system error"
        }
    }
}
