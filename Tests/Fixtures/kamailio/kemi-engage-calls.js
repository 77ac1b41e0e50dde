// A script of KEMI that engages each first INVITE, forks where its headers say so, and goes to the next destination
// where one refuses. A request within the dialog that is challenged goes there once more.

function ksr_request_route() {
    if (KSR.is_CANCEL()) {
        if (KSR.tm.t_check_trans() > 0) KSR.tm.t_relay();
        return 1;
    }
    if (!KSR.is_ACK() && KSR.tm.t_check_trans() == 0) return 1;
    if (KSR.siputils.has_totag() > 0) {
        KSR.dialog.dlg_manage();
        if (KSR.is_INVITE() || KSR.is_UPDATE()) KSR.tm.t_on_failure("ksr_challenged");
    } else {
        KSR.rr.record_route();
        if (KSR.is_INVITE()) {
            var other = KSR.pv.gete("$hdr(X-Fork)");
            if (other != "") KSR.corex.append_branch_uri(other);
            KSR.pv.seti("$avp(n)", 0);
            KSR.tm.t_on_failure("ksr_failed");
            KSR.rtpproxy.rtpproxy_engage0();
        }
    }
    KSR.tm.t_relay();
    return 1;
}

function ksr_challenged() {
    if (KSR.tm.t_check_status("407") < 0) return 1;
    KSR.pv.sets("$ru", KSR.pv.get("$ru"));
    KSR.tm.t_relay();
    return 1;
}

function ksr_failed() {
    var turn = KSR.pv.get("$avp(n)") + 1;
    var next = KSR.pv.gete("$hdr(X-Next)").split(",")[turn];
    KSR.pv.seti("$avp(n)", turn);
    if (next === undefined || next == "" || KSR.tm.t_is_canceled() > 0) return 1;
    KSR.pv.sets("$ru", next);
    KSR.tm.t_on_failure("ksr_failed");
    KSR.tm.t_relay();
    return 1;
}
