// A script of KEMI that does nothing but engage, by the name and with the parameters that the INVITE says.

function header(name) {
    return KSR.pv.gete("$hdr(" + name + ")");
}

function engage() {
    switch (header("X-Do")) {
        case "rtpproxy_engage": return KSR.rtpproxy.rtpproxy_engage(header("X-Flags"));
        case "rtpproxy_engage_ip": return KSR.rtpproxy.rtpproxy_engage_ip(header("X-Flags"), header("X-IP"));
        default: return KSR.rtpproxy.rtpproxy_engage0();
    }
}

function ksr_request_route() {
    if (KSR.siputils.has_totag() > 0) {
        KSR.dialog.dlg_manage();
    } else {
        KSR.rr.record_route();
        var code = engage();
        KSR.notice("ran engage " + code + " " + KSR.pv.get("$rtpp_engaged") + " " + KSR.pv.get("$ci") + "\n");
        if (header("X-Then") == "rtpproxy_disengage") KSR.rtpproxy.rtpproxy_disengage();
    }
    KSR.tm.t_relay();
    return 1;
}
