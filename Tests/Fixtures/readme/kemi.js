// SPDX-License-Identifier: GPL-2.0-or-later
// The routes of kemi.cfg: rtpproxy_manage in each direction.

function ksr_request_route() {
    var code = KSR.rtpproxy.rtpproxy_manage("co");
    if (code == -3 && KSR.is_INVITE()) {
        KSR.sl.sl_send_reply(503, "No Media Relay");
        return 1;
    }
    KSR.tm.t_on_reply("ksr_onreply_route_MEDIA");
    KSR.tm.t_relay();
    return 1;
}

function ksr_onreply_route_MEDIA() {
    if (KSR.pv.get("$rs") < 300) KSR.rtpproxy.rtpproxy_manage0();
    return 1;
}
