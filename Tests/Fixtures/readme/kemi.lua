-- SPDX-License-Identifier: GPL-2.0-or-later
-- The routes of kemi.cfg for app_lua: rtpproxy_manage in each direction.

function ksr_request_route()
    local code = KSR.rtpproxy.rtpproxy_manage("co")
    if code == -3 and KSR.is_INVITE() then
        KSR.sl.sl_send_reply(503, "No Media Relay")
        return 1
    end
    KSR.tm.t_on_reply("ksr_onreply_route_MEDIA")
    KSR.tm.t_relay()
    return 1
end

function ksr_onreply_route_MEDIA()
    if KSR.pv.get("$rs") < 300 then
        KSR.rtpproxy.rtpproxy_manage0()
    end
    return 1
end
