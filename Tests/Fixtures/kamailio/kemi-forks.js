// One destination after the other under KEMI: a message says in its own headers what is called for each.
//
//   X-First     the functions on the INVITE, separated by blanks
//   X-Failed    those of the failure route before the second, third and fourth destination, separated by commas
//   X-Branch    those of the branch route, from the second destination on
//   X-Last      those of the failure route of the last destination
//   X-Reply     those of the replies below 300 that have a body
//   X-Next      the destinations
//
// After an asynchronous function that waits, nothing else of the same header is called.

var functions = {
    offer: function () { return KSR.rtpproxy.rtpproxy_offer0(); },
    offer_r: function () { return KSR.rtpproxy.rtpproxy_offer("r"); },
    answer: function () { return KSR.rtpproxy.rtpproxy_answer0(); },
    manage: function () { return KSR.rtpproxy.rtpproxy_manage0(); },
    destroy: function () { return KSR.rtpproxy.rtpproxy_destroy0(); },
    set: function () { return KSR.rtpproxy.set_rtpproxy_set(1); },
    offer_async: function () { return KSR.rtpproxy.rtpproxy_offer_async0("ksr_offered"); },
    manage_async: function () { return KSR.rtpproxy.rtpproxy_manage_async0("ksr_offered"); },
    answer_async: function () { return KSR.rtpproxy.rtpproxy_answer_async0("ksr_answered"); },
    destroy_async: function () { return KSR.rtpproxy.rtpproxy_destroy_async0(); }
};

function list(name, separator) {
    return KSR.hdr.is_present(name) > 0 ? KSR.pv.gete("$hdr(" + name + ")").split(separator) : [];
}

// Whether the script is to go on.
function run(names) {
    for (var i = 0; i < names.length; i++) {
        if (names[i] != "" && functions[names[i]]() == 0) return false;
    }
    return true;
}

function number() {
    return KSR.pv.get("$avp(n)");
}

function arm() {
    KSR.tm.t_on_reply("ksr_onreply");
    KSR.tm.t_on_failure("ksr_failure");
    KSR.tm.t_on_branch("ksr_branch");
}

// The Request-URI that a failure route has set is gone after the wait, and so are its routes.
function next() {
    KSR.pv.sets("$ru", list("X-Next", ",")[number()]);
    arm();
}

function ksr_request_route() {
    if (!KSR.is_INVITE() || KSR.siputils.has_totag() > 0) {
        if (KSR.is_BYE()) KSR.rtpproxy.rtpproxy_destroy0();
        KSR.tm.t_relay();
        return;
    }
    KSR.pv.seti("$avp(n)", 0);
    arm();
    if (run(list("X-First", " "))) KSR.tm.t_relay();
}

function ksr_offered() {
    if (number() > 0) next();
    KSR.tm.t_relay();
}

function ksr_branch() {
    if (number() > 0) run(list("X-Branch", " "));
}

function ksr_onreply() {
    if (KSR.pv.get("$rs") < 300 && KSR.textops.has_body_type("application/sdp") > 0) run(list("X-Reply", " "));
}

function ksr_answered() {
}

function ksr_failure() {
    KSR.pv.seti("$avp(n)", number() + 1);
    if (number() > 3) {
        run(list("X-Last", " "));
        return;
    }
    next();
    if (run(list("X-Failed", ",")[number() - 1].split(" "))) KSR.tm.t_relay();
}
