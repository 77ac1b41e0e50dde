// SPDX-License-Identifier: GPL-2.0-or-later
// The kinds of entries in an operator's journal: one table, of which `scripts/catalog.sh` makes what `journalctl -x`
// says.

/// What a report is about.
package enum ReportKind: Sendable {
    /// The configuration is read: the server starts.
    case started
    /// A parameter cannot be used: the server does not start.
    case badParameter
    /// A node answers, for the first time or again.
    case nodeUp
    /// It has failed.
    case nodeDown
    /// The operator has switched it on, or gives it new calls again.
    case nodeEnabled
    /// The operator has switched it off.
    case nodeDisabled
    /// The operator gives it no new calls.
    case nodeDraining
    /// It gets no new calls and has none left.
    case nodeDrained
    /// It has been started again, without its sessions.
    case nodeRestarted
    /// The sets were read from the database again.
    case reloaded
    /// A function failed.
    case callRefused
    /// A function found no node.
    case noNode
}

extension ReportKind {
    /// What journald tells it by, its MESSAGE_ID: 32 hexadecimal digits of `journalctl --new-id128`. The comment above
    /// each is its entry in the catalog, for operators: a subject, an empty line, and what it means and what to do; a
    /// word between two @ is a field of the entry.
    package var id: StaticString {
        switch self {
        // The configuration of RTPProxies is read
        //
        // Kamailio starts with the RTPProxies of its configuration or its database. Each is asked at once whether it
        // is there; kamcmd rtpproxy.list shows them.
        case .started: "d83a74fed6d04b8a804a0f9474f398d2"
        // A parameter of the module rtpproxy cannot be used
        //
        // Kamailio does not start. The message names the parameter and quotes the text that is at fault; all faults
        // are reported in one go.
        case .badParameter: "d51b7d33b7ac453aab605f3286b90c16"
        // RTPProxy @RTPPROXY_URL@ answers
        //
        // It answers for the first time since the start, or was down, and gets calls of set @RTPPROXY_SET@ now.
        // Nothing has to be done.
        case .nodeUp: "ea4ad18363ec4dd39883deaad9862359"
        // RTPProxy @RTPPROXY_URL@ has failed
        //
        // It does not answer, or not as an RTPProxy does, and gets no calls until it has answered again. New calls of
        // set @RTPPROXY_SET@ go to the others, if there are any; calls that it had may be without media.
        //
        // Look whether it runs and whether its control socket is the one of the configuration, then at the network
        // between. kamcmd rtpproxy.probe asks it at once, kamcmd rtpproxy.stats says what went wrong and how often.
        case .nodeDown: "c84ac9b21c84404f9adeb769b5b5c805"
        // RTPProxy @RTPPROXY_URL@ was switched on
        //
        // An operator has enabled it or ended its draining with kamcmd. It gets calls of set @RTPPROXY_SET@.
        case .nodeEnabled: "43c1df6f52ac4b51be96196893dd12b4"
        // RTPProxy @RTPPROXY_URL@ was switched off
        //
        // An operator has disabled it with kamcmd rtpproxy.enable URL 0. It gets no commands, also of calls that it
        // has, until kamcmd rtpproxy.enable URL 1.
        case .nodeDisabled: "aff7095934d84f7aa182c2bb0aef5dc2"
        // RTPProxy @RTPPROXY_URL@ gets no new calls
        //
        // An operator drains it with kamcmd rtpproxy.drain URL 1, before it is taken out of service. Calls that it has
        // go on. kamcmd rtpproxy.drain URL 0 gives it new ones again.
        case .nodeDraining: "596acaa55fab46c98554f90d000b81e1"
        // RTPProxy @RTPPROXY_URL@ has no call left
        //
        // It was drained, or has left the sets, and the last call that it had in set @RTPPROXY_SET@ is over. It can be
        // stopped.
        case .nodeDrained: "1a3f3a1ac8254789a548025020d48914"
        // RTPProxy @RTPPROXY_URL@ has been restarted
        //
        // Its counters have fallen: it was started again, and the sessions that it had are lost. Calls that it had are
        // without media until their next offer, which begins a session anew. Where nobody restarted it, look at its
        // own log for why it ended.
        case .nodeRestarted: "f98d7f9350ec4204a7d018712d6378ea"
        // The RTPProxies were read from the database again
        //
        // By kamcmd rtpproxy.reload. An RTPProxy that is gone from the table disappears when its calls have ended.
        case .reloaded: "b4cd869bb23147b8b637640e5321ada5"
        // A function of the module rtpproxy failed for call @SIP_CALL_ID@
        //
        // The message says why: what is wrong with the SIP message, its SDP, the flags of the script, or what RTPProxy
        // answered. The SIP message is as it came.
        //
        // Many of them with the same reason: look at the script, or at the user agent that sends such messages. An
        // error E71 or E72 means that an RTPProxy has no ports left.
        case .callRefused: "645d0f12975245f08d7bcd35f3db7f18"
        // No RTPProxy is available for call @SIP_CALL_ID@
        //
        // Every RTPProxy of set @RTPPROXY_SET@ is down, disabled or drained, or there is no such set. The call fails
        // or goes without a relay, as the script has it.
        //
        // kamcmd rtpproxy.list shows which are down, kamcmd rtpproxy.stats why.
        case .noNode: "76d857ecbdee4d07a3803c9979d06dd0"
        }
    }
}
