// SPDX-License-Identifier: GPL-2.0-or-later
// The process that listens for RTPProxy's notifications: media of a call has stopped, and the script is told once.

import Bytes
import ControlProtocol
import Transport

/// A host that can be told that the media of a call has stopped.
package protocol NotificationHost: ServerHost {
    /// Whether tags are the module's own: the Call-ID, and the stream's number where RTPProxy was given one.
    var tagIsCallID: Bool { get }
    /// Whether each stream is told of, and not each call: the script asks which it is.
    var tellsStreams: Bool { get }
    /// Runs what the script has for it. `tag`: what RTPProxy was given with the offer, without blanks and control
    /// characters, and without the stream's number. `stream`: from 1; nil where it is not known.
    @_optimize(size)
    func mediaStopped(tag: Span<UInt8>, stream: Int?)
}

/// The tags that were told lately: RTPProxy writes one line for each stream of a call.
struct RecentTags {
    private static let count = 256
    /// How long a tag is not told again, in nanoseconds.
    static let patience: UInt64 = 10_000_000_000
    private var hashes = [UInt64](repeating: 0, count: count)
    private var times = [UInt64](repeating: 0, count: count)
    private var next = 0

    /// Whether `tag`, and with it `stream` where that matters, is new at `now`; it is remembered then.
    @_optimize(size)
    mutating func isNew(_ tag: Span<UInt8>, stream: Int = 0, now: UInt64) -> Bool {
        var hash = Hash64()
        hash.combine(tag, tag.all)
        hash.combine(UInt64(truncatingIfNeeded: stream))
        let value = hash.value
        // NO TRAP (4): index is one of the 256, times has as many, and next goes round below 256.
        for index in hashes.indices where hashes[index] == value && times[index] != 0 {
            if now &- times[index] < Self.patience { return false }
        }
        hashes[next] = value
        times[next] = max(now, 1)
        next = next &+ 1 < Self.count ? next &+ 1 : 0
        return true
    }
}

/// Why the module cannot listen.
package struct NotifyError: Error {
    /// A line for the log.
    package let line: [UInt8]
}

/// What the process remembers.
package struct Notifications: ~Copyable {
    /// The longest time without a look at whether the process is wanted, in nanoseconds.
    private static let longestPause: UInt64 = 100_000_000
    /// The shortest time between two log lines about connections that are no RTPProxy's, in nanoseconds.
    private static let logPause: UInt64 = 10_000_000_000

    /// How many tags one step tells at most, besides those in bytes that it has already read.
    private static let tagsPerStep = 32

    private var listener: StreamListener
    private var readers = [NotificationReader](repeating: NotificationReader(), count: StreamListener.capacity)
    private var recent = RecentTags()
    private var logAt: UInt64 = 0

    /// Listens where `settings` say. `user` and `group` get a socket file, -1: whoever made it keeps it. Opens the
    /// socket, before the fork; nil where nothing is configured.
    @_optimize(size)
    package init?(_ settings: borrowing Settings, user: Int32, group: Int32) throws(NotifyError) {
        let text = settings.notifyListen
        guard !text.isEmpty, let url = try? NodeURL(text.span, text.span.all) else { return nil }
        do throws(ListenError) {
            listener = try StreamListener(text.span, url, user: user, group: group)
        } catch {
            var line: [UInt8] = []
            line.append("parameter rtpproxy_notify_listen: \"")
            line.append(printable: text.span, text.span.all, limit: 300)
            line.append("\": ")
            // The module makes the socket, but not its folder.
            line.append(url.scheme.isUnix && error == .system(.noFile) ? "its folder does not exist" : error.text)
            throw NotifyError(line: line)
        }
    }

    /// Listens until `isWanted` says no. Runs in a process of its own.
    package mutating func run<Host: NotificationHost>(_ host: Host, while isWanted: () -> Bool) {
        while isWanted() { step(host, nanoseconds: Self.longestPause) }
    }

    /// Waits at most `nanoseconds` for something to happen and deals with it.
    @_optimize(size)
    mutating func step<Host: NotificationHost>(_ host: Host, nanoseconds: UInt64) {
        var (readers, recent) = (self.readers, self.recent)
        var isForeign = false
        var told = 0
        // NO TRAP (2): the listener's places are 0..<64, and there are 64 readers.
        listener.step(
            nanoseconds: nanoseconds, opened: { readers[$0] = NotificationReader() },
            arrived: { place, bytes, range in
                var hasTag = false
                let progress = readers[place].read(bytes, range) { tag in
                    hasTag = true
                    let parts = host.tagIsCallID ? NotificationTag.split(tag) : (callID: tag.all, stream: nil)
                    let inside = tag.clamped(parts.callID)
                    // SAFETY (1): `inside` lies within `tag`, as clamped(_:) upholds.
                    let call = unsafe tag.extracting(unchecked: inside.start..<inside.end)
                    let stream = host.tellsStreams ? parts.stream ?? 0 : 0
                    guard recent.isNew(call, stream: stream, now: MonotonicClock.now()) else { return }
                    told &+= 1
                    host.mediaStopped(tag: call, stream: parts.stream)
                }
                switch progress {
                case .going: return hasTag ? .delivered : .going
                case .tooLong:
                    isForeign = true
                    return .unfit
                }
            }, isEnough: { told >= Self.tagsPerStep })
        (self.readers, self.recent) = (readers, recent)
        let now = MonotonicClock.now()
        guard isForeign, logAt <= now else { return }
        logAt = now &+ Self.logPause
        var line: [UInt8] = []
        line.append("rtpproxy_notify_listen: a connection is closed, ")
        line.append("its line of more than 1024 bytes is no notification")
        host.log(.warning, line.span)
    }
}
