// SPDX-License-Identifier: GPL-2.0-or-later
// The routes of async-kemi.cfg: rtpproxy_manage_async in each direction.

function ksr_request_route() {
    if (KSR.is_INVITE()) KSR.tm.t_on_reply("ksr_onreply_route_MEDIA");
    if (KSR.is_ACK()) {
        KSR.rtpproxy.rtpproxy_manage("co");
    } else if (KSR.rtpproxy.rtpproxy_manage_async("ksr_relay", "co") == 0) {
        // The transaction waits; it goes on in ksr_relay.
        return 1;
    }
    KSR.tm.t_relay();
    return 1;
}

function ksr_relay() {
    if (KSR.pv.get("$rtpp_rc") == -3) {
        KSR.tm.t_reply(503, "No Media Relay");
    } else {
        KSR.tm.t_relay();
    }
    return 1;
}

function ksr_onreply_route_MEDIA() {
    if (KSR.pv.get("$rs") < 300) KSR.rtpproxy.rtpproxy_manage_async("ksr_answered", "co");
    return 1;
}

// The reply goes to the caller when this function is through.
function ksr_answered() {
    return 1;
}
