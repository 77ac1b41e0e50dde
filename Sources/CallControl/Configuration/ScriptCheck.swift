// SPDX-License-Identifier: GPL-2.0-or-later
// What can be known of a script before the first call: parameters that are written out, and settings that have no
// effect.

import Bytes
import ControlProtocol
import SharedState

/// A function of the script that takes flags.
package enum FlagFunction: Sendable {
    case offer, answer, manage, delete, engage
}

/// What the script has and asks for.
package struct ScriptUse: Sendable {
    /// It has an event route for media that has stopped.
    package var hasTimeoutRoute = false
    /// Something in it is told that media has stopped.
    package var hearsTimeouts = false
    /// event_callback is set.
    package var hasCallback = false
    /// It is one of KEMI.
    package var hasEngine = false
    /// timeout_tag_pv is set.
    package var hasTimeoutTag = false
    /// extra_id_pv is set, and no function has the flag that asks for it.
    package var hasUnusedExtraID = false
    /// It chooses sets itself, or may: it cannot be checked.
    package var choosesSets = false
    /// It hands the messages of other hosts to dmq, or may.
    package var hearsHosts = false

    package init() {}
}

/// Looks at a script.
package enum ScriptCheck {
    /// Why a function with these flags fails with each message; nil: it does not.
    @_optimize(size)
    package static func fault(_ flags: Span<UInt8>, of function: FlagFunction) -> [UInt8]? {
        var modifiers = Scratch<UInt8>()
        do throws(CallFailure) {
            let read = try CallFlags.parse(flags, for: function == .delete ? .delete : .media, modifiers: &modifiers)
            if function == .answer || function == .engage, read.looksUpOnly { throw .lookupOfAnswer }
            return nil
        } catch {
            return text(of: error)
        }
    }

    /// Whether these flags ask for extra_id_pv.
    package static func usesExtraID(_ flags: Span<UInt8>) -> Bool {
        var modifiers = Scratch<UInt8>()
        return (try? CallFlags.parse(flags, for: .delete, modifiers: &modifiers))?.usesExtraID ?? false
    }

    /// Which of these flags has no effect, though all are valid, in words; nil: none.
    package static func vain(_ flags: Span<UInt8>, hasExtraID: Bool) -> StaticString? {
        var modifiers = Scratch<UInt8>()
        let read = try? CallFlags.parse(flags, for: .delete, modifiers: &modifiers)
        guard let read, read.usesExtraID else { return nil }
        if read.branch != .none { return "flag 'b' does nothing beside 1, 2 or 3" }
        return hasExtraID ? nil : "flag 'b' does nothing without the parameter extra_id_pv"
    }

    /// Why an offer or answer with this ip_address fails with each message; nil: it does not.
    package static func fault(address: Span<UInt8>) -> [UInt8]? {
        if address.isEmpty { return text(of: .emptyAddress) }
        return Command.isWord(address, address.all) ? nil : text(of: .unfit(.address))
    }

    /// Whether the text is an IP address, be it in brackets.
    package static func isAddress(_ address: Span<UInt8>) -> Bool {
        let inside = ByteRange(from: 1, to: address.count &- 1)
        let hasBrackets =
            address.byte(at: 0) == UInt8(ascii: "[") && address.byte(at: inside.end) == UInt8(ascii: "]")
        return AddressText.family(address, address.all) != nil
            || hasBrackets && AddressText.family(address, inside) == .ipv6
    }

    /// What is configured and does nothing, a line each. `knowsNodes`: the sets have been read.
    @_optimize(size)
    package static func warnings(_ settings: Settings, _ use: ScriptUse, knowsNodes: Bool) -> [StaticString] {
        var lines: [StaticString] = []
        if knowsNodes {
            if settings.nodes.isEmpty {
                lines.append("no RTPProxy is configured: offers and answers return -3")
            } else if settings.nodes.allSatisfy({ $0.startsDisabled }) {
                lines.append("every RTPProxy starts disabled by its flags: offers and answers return -3")
            } else if !settings.hasSet(0), !use.choosesSets {
                lines.append("set 0 has no RTPProxy, and the script never calls set_rtp_proxy_set(): offers return -3")
            }
        }
        let isListening = !settings.notifyListen.isEmpty
        if use.hasTimeoutRoute, !isListening {
            lines.append("event_route[rtpproxy:timeout] never runs without the parameter rtpproxy_notify_listen")
        }
        if isListening, !use.hearsTimeouts {
            lines.append(
                "parameter rtpproxy_notify_listen: neither event_route[rtpproxy:timeout] nor event_callback hears")
        }
        if use.hasCallback, !use.hasEngine {
            lines.append("parameter event_callback: there is no cfgengine, so no function of KEMI runs")
        }
        if use.hasTimeoutTag, settings.timeoutSocket.isEmpty {
            lines.append("parameter timeout_tag_pv does nothing without timeout_socket or rtpproxy_notify_listen")
        }
        if use.hasUnusedExtraID {
            lines.append("parameter extra_id_pv does nothing without flag 'b', and no function of the script has it")
        }
        if settings.sharesCalls, !use.hearsHosts {
            lines.append("parameter rtpproxy_dmq: the script never calls dmq_handle_message(): no other host is heard")
        }
        if settings.asyncProcesses == 0, settings.asyncMaximum != Settings().asyncMaximum {
            lines.append("parameter rtpproxy_async_max does nothing where rtpproxy_async_processes is 0")
        }
        return lines
    }

    private static func text(of failure: CallFailure) -> [UInt8] {
        var line: [UInt8] = []
        failure.describe(into: &line)
        return line
    }
}
