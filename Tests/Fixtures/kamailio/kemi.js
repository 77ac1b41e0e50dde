// The stage's script for KEMI: a message names a function of KSR.rtpproxy in its own X- headers, and what came out is
// told in X-RC before it is forwarded to its Request-URI.
//
//   X-Do, X-Then         the function; a second one with the same parameters
//   X-Flags, X-IP        the parameters of offer, answer, manage and destroy; an empty text where the header is missing
//   X-Set                set_rtpproxy_set() before it
//   X-Prompt, X-Count    the parameters of the streaming functions
//   X-Callback           where an asynchronous function goes on; ksr_resumed where the header is missing
//   X-Failure-Do         the function for the failure route
//   X-Figure             X-Figure in its place: $rtpp_stat(rtpa_nlost), $rtpp_stat(mos), and their types
//
// An asynchronous function that returned 0 ends the script; what it came to, ksr_resumed tells in X-RC and in the log.
// X-Outside is $rtpp_rc wherever nothing goes on; an empty text for null.

function header(name) {
    return KSR.pv.gete("$hdr(" + name + ")");
}

function number(name) {
    return parseInt(header(name), 10);
}

function callback() {
    return KSR.hdr.is_present("X-Callback") > 0 ? header("X-Callback") : "ksr_resumed";
}

function call(name) {
    switch (name) {
        case "rtpproxy_offer0": return KSR.rtpproxy.rtpproxy_offer0();
        case "rtpproxy_offer": return KSR.rtpproxy.rtpproxy_offer(header("X-Flags"));
        case "rtpproxy_offer_ip": return KSR.rtpproxy.rtpproxy_offer_ip(header("X-Flags"), header("X-IP"));
        case "rtpproxy_answer0": return KSR.rtpproxy.rtpproxy_answer0();
        case "rtpproxy_answer": return KSR.rtpproxy.rtpproxy_answer(header("X-Flags"));
        case "rtpproxy_answer_ip": return KSR.rtpproxy.rtpproxy_answer_ip(header("X-Flags"), header("X-IP"));
        case "rtpproxy_manage0": return KSR.rtpproxy.rtpproxy_manage0();
        case "rtpproxy_manage": return KSR.rtpproxy.rtpproxy_manage(header("X-Flags"));
        case "rtpproxy_manage_ip": return KSR.rtpproxy.rtpproxy_manage_ip(header("X-Flags"), header("X-IP"));
        case "rtpproxy_destroy0": return KSR.rtpproxy.rtpproxy_destroy0();
        case "rtpproxy_destroy": return KSR.rtpproxy.rtpproxy_destroy(header("X-Flags"));
        case "start_recording": return KSR.rtpproxy.start_recording();
        case "rtpproxy_stream2uac": return KSR.rtpproxy.rtpproxy_stream2uac(header("X-Prompt"), number("X-Count"));
        case "rtpproxy_stream2uas": return KSR.rtpproxy.rtpproxy_stream2uas(header("X-Prompt"), number("X-Count"));
        case "rtpproxy_stop_stream2uac": return KSR.rtpproxy.rtpproxy_stop_stream2uac();
        case "rtpproxy_stop_stream2uas": return KSR.rtpproxy.rtpproxy_stop_stream2uas();
        case "rtpproxy_offer_async0": return KSR.rtpproxy.rtpproxy_offer_async0(callback());
        case "rtpproxy_offer_async":
            return KSR.rtpproxy.rtpproxy_offer_async(callback(), header("X-Flags"));
        case "rtpproxy_offer_async_ip":
            return KSR.rtpproxy.rtpproxy_offer_async_ip(callback(), header("X-Flags"), header("X-IP"));
        case "rtpproxy_answer_async0": return KSR.rtpproxy.rtpproxy_answer_async0(callback());
        case "rtpproxy_answer_async":
            return KSR.rtpproxy.rtpproxy_answer_async(callback(), header("X-Flags"));
        case "rtpproxy_answer_async_ip":
            return KSR.rtpproxy.rtpproxy_answer_async_ip(callback(), header("X-Flags"), header("X-IP"));
        case "rtpproxy_manage_async0": return KSR.rtpproxy.rtpproxy_manage_async0(callback());
        case "rtpproxy_manage_async":
            return KSR.rtpproxy.rtpproxy_manage_async(callback(), header("X-Flags"));
        case "rtpproxy_manage_async_ip":
            return KSR.rtpproxy.rtpproxy_manage_async_ip(callback(), header("X-Flags"), header("X-IP"));
        case "rtpproxy_destroy_async0": return KSR.rtpproxy.rtpproxy_destroy_async0();
        case "rtpproxy_destroy_async": return KSR.rtpproxy.rtpproxy_destroy_async(header("X-Flags"));
        default: return 99;
    }
}

// Whether the script is to go on.
function run() {
    var code;
    if (KSR.hdr.is_present("X-Set") > 0) {
        KSR.hdr.append("X-Set-RC: " + KSR.rtpproxy.set_rtpproxy_set(number("X-Set")) + "\r\n");
    }
    if (KSR.hdr.is_present("X-Figure") > 0) {
        var lost = KSR.pv.get("$rtpp_stat(rtpa_nlost)");
        var mos = KSR.pv.get("$rtpp_stat(mos)");
        KSR.hdr.remove("X-Figure");
        KSR.hdr.append("X-Figure: " + lost + " " + mos + " " + typeof lost + " " + typeof mos + "\r\n");
    }
    if (KSR.hdr.is_present("X-Do") > 0) {
        code = call(header("X-Do"));
        if (code == 0) return false;
        KSR.hdr.append("X-RC: " + code + "\r\n");
        KSR.hdr.append("X-Outside: " + KSR.pv.gete("$rtpp_rc") + "\r\n");
    }
    if (KSR.hdr.is_present("X-Then") > 0) {
        code = call(header("X-Then"));
        if (code == 0) return false;
        KSR.hdr.append("X-RC: " + code + "\r\n");
    }
    return true;
}

function ksr_request_route() {
    KSR.tm.t_on_reply("ksr_onreply_stage");
    if (KSR.hdr.is_present("X-Failure-Do") > 0) KSR.tm.t_on_failure("ksr_failure_stage");
    if (!run()) return;
    KSR.tm.t_relay();
}

function ksr_onreply_stage() {
    run();
}

function ksr_failure_stage() {
    KSR.notice("failure " + call(header("X-Failure-Do")) + " " + KSR.pv.gete("$ci") + "\n");
}

function ksr_resumed() {
    var code = KSR.pv.get("$rtpp_rc");
    KSR.hdr.append("X-RC: " + code + "\r\n");
    KSR.notice("resumed " + code + " " + KSR.pv.gete("$ci") + "\n");
    if (KSR.siputils.is_request() > 0) KSR.tm.t_relay();
}

function ksr_rtpproxy_event(name) {
    KSR.notice("event " + name + " " + KSR.pv.get("$rtpp_node(url)") + " " + KSR.pv.get("$rtpp_node(setid)") + " "
        + KSR.pv.get("$rtpp_node(reason)") + "\n");
}
