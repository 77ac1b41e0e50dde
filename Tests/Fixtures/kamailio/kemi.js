// The stage's script for KEMI: a message names a function of KSR.rtpproxy in its own X- headers, and what came out is
// told in X-RC before it is forwarded to its Request-URI.
//
//   X-Do, X-Then         the function; a second one with the same parameters
//   X-Flags, X-IP        the parameters of offer, answer, manage and destroy; an empty text where the header is missing
//   X-Set                set_rtpproxy_set() before it
//   X-Prompt, X-Count    the parameters of the streaming functions

function header(name) {
    return KSR.pv.gete("$hdr(" + name + ")");
}

function number(name) {
    return parseInt(header(name), 10);
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
        default: return 99;
    }
}

function run() {
    if (KSR.hdr.is_present("X-Set") > 0) {
        KSR.hdr.append("X-Set-RC: " + KSR.rtpproxy.set_rtpproxy_set(number("X-Set")) + "\r\n");
    }
    if (KSR.hdr.is_present("X-Do") > 0) {
        KSR.hdr.append("X-RC: " + call(header("X-Do")) + "\r\n");
    }
    if (KSR.hdr.is_present("X-Then") > 0) {
        KSR.hdr.append("X-RC: " + call(header("X-Then")) + "\r\n");
    }
}

function ksr_request_route() {
    run();
    KSR.tm.t_on_reply("ksr_onreply_stage");
    KSR.tm.t_relay();
}

function ksr_onreply_stage() {
    run();
}
