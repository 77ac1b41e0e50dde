# SPDX-License-Identifier: GPL-2.0-or-later
# The routes of kemi.cfg for app_python3: rtpproxy_manage in each direction.

import KSR


def mod_init():
    return Routes()


class Routes:
    def child_init(self, rank):
        return 0

    def ksr_request_route(self, msg):
        code = KSR.rtpproxy.rtpproxy_manage("co")
        if code == -3 and KSR.is_INVITE():
            KSR.sl.sl_send_reply(503, "No Media Relay")
            return 1
        KSR.tm.t_on_reply("ksr_onreply_route_MEDIA")
        KSR.tm.t_relay()
        return 1

    def ksr_onreply_route_MEDIA(self, msg):
        if KSR.pv.get("$rs") < 300:
            KSR.rtpproxy.rtpproxy_manage0()
        return 1

    # app_python3 of Kamailio 5.6 asks for these with each reply and each t_relay, and fails where one is not there.
    def ksr_reply_route(self, msg):
        return 1

    def ksr_onsend_route(self, msg):
        return 1
