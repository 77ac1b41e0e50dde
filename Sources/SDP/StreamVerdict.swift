// SPDX-License-Identifier: GPL-2.0-or-later
// What becomes of each media stream of a description.

package import Bytes

/// Where a media stream is to be sent from now on.
package struct StreamDestination: Equatable, Sendable, BitwiseCopyable {
    /// The address, as a range of the addresses that are passed beside it.
    package let address: ByteRange
    /// The family of that address.
    package let family: AddressFamily
    /// The RTP port. RTCP has the next one; none where this is 65535.
    package let port: UInt16

    package init(address: ByteRange, family: AddressFamily, port: UInt16) {
        self.address = address
        self.family = family
        self.port = port
    }

    /// The port behind the RTP port; nil behind 65535.
    var rtcpPort: UInt16? { port < UInt16.max ? port &+ 1 : nil }
}

/// What becomes of a media stream.
package enum StreamVerdict: Equatable, Sendable, BitwiseCopyable {
    /// A relay takes it.
    case relayed(StreamDestination)
    /// It is off: its port is 0, or becomes 0 (RFC 3264 sections 5.1 and 6).
    case refused
    /// It goes past the relay: its port and its address stay.
    case left

    /// What becomes of a stream that no relay is asked for; nil where a relay decides.
    package init?(withoutRelay stream: MediaStream) {
        if stream.isOff {
            self = .refused
        } else if stream.isOverTCP {
            self = .left
        } else {
            return nil
        }
    }

    /// Where a relay takes the stream.
    package var destination: StreamDestination? {
        if case .relayed(let destination) = self { return destination }
        return nil
    }
}
