// SPDX-License-Identifier: GPL-2.0-or-later
// What the measured Kamailio does with requests.

/// How calls are carried.
enum Way: Sendable {
    /// The distribution's module.
    case stock
    /// Ours: a worker waits for RTPProxy.
    case blocking
    /// Ours with its asynchronous functions.
    case asynchronous
    /// The same, transactions going on in Kamailio's async workers.
    case inWorkers

    var script: Script {
        switch self {
        case .stock, .blocking: .blocking
        case .asynchronous: .asynchronous
        case .inWorkers: .inWorkers
        }
    }
}

/// A script. All of them answer OPTIONS without tm and forward `sip:offer@` statelessly, edited by the module.
enum Script: Equatable, Sendable {
    /// Forwards `sip:plain@` past the module. No tm.
    case stateless
    /// Answers `sip:call@` 200 when the module has made the offer, and holds a transaction meanwhile; leaves
    /// `sip:suspend@` suspended by tm alone.
    case blocking
    /// The same, no worker waiting.
    case asynchronous
    /// The same, going on in async workers.
    case inWorkers
    /// Forwards `sip:plain@` when the module has told of the call's media and deleted its session: `keeps` by one
    /// function, else by two. No tm.
    case figures(keeps: Bool)
    /// Whole calls: sip:blocking@ with the functions that wait, sip:async@ with the asynchronous ones.
    case dialogs

    private var usesTransactions: Bool {
        switch self {
        case .stateless, .figures: false
        case .blocking, .asynchronous, .inWorkers, .dialogs: true
        }
    }

    /// Lines of the core's parameters. Hundreds of requests have room in the socket while workers wait.
    var core: [String] {
        guard usesTransactions else { return [] }
        return ["maxbuffer=4194304"] + (self == .inWorkers ? ["async_workers=2"] : [])
    }

    var modules: [String] {
        guard usesTransactions else { return [] }
        return ["tm.so", "tmx.so", "ctl.so", "kex.so"] + (self == .dialogs ? ["textops.so"] : [])
    }

    /// A transaction that is over stays a second instead of five, so that those of ten thousand calls fit in.
    func parameters(control: String) -> [String] {
        guard usesTransactions else { return [] }
        let common = [
            "modparam(\"ctl\", \"binrpc\", \"unix:\(control)\")", "modparam(\"tm\", \"wt_timer\", 1000)",
        ]
        return common
            // Nobody rings for longer than 60 ms.
            + (self == .dialogs ? ["modparam(\"tm\", \"fr_inv_timer\", 10000)"] : [])
            + (self == .inWorkers ? ["modparam(\"rtpproxy\", \"rtpproxy_async_continue\", \"workers\")"] : [])
    }

    var routes: String {
        switch self {
        case .stateless: Script.statelessRoutes
        case .figures(let keeps):
            "request_route {\n    if ($rU == \"plain\") "
                + (keeps
                    ? "{ rtpproxy_destroy(\"s\"); $var(mos) = $rtpp_stat(mos); }"
                    : "{ $var(mos) = $rtpp_stat(mos); rtpproxy_destroy(); }")
                + "\n    route(REST);\n}\n"
                + Script.statelessRoutes.replacingOccurrences(of: "request_route", with: "route[REST]")
        case .blocking: Script.beginning + Script.blockingEnd
        case .asynchronous, .inWorkers: Script.beginning + Script.asynchronousEnd
        case .dialogs: Script.wholeCalls
        }
    }

    private static let statelessRoutes = """
        request_route {
            if (method == "OPTIONS") {
                sl_send_reply("200", "OK");
                exit;
            }
            if ($rU == "offer" && !rtpproxy_offer()) {
                sl_send_reply("503", "No relay");
                exit;
            }
            forward();
            exit;
        }

        """

    private static let beginning = """
        request_route {
            if (method == "OPTIONS") {
                sl_send_reply("200", "OK");
                exit;
            }
        #!ifdef NEXT_HOST
            if (method == "KDMQ") {
                dmq_handle_message();
                exit;
            }
        #!endif
            if (method == "ACK") {
                t_check_trans();
                exit;
            }
            t_newtran();
            if ($rU == "suspend") {
                t_suspend();
                exit;
            }

        """

    private static let blockingEnd = """
            $var(rc) = rtpproxy_offer();
            if ($var(rc) != 1) t_reply("503", "No relay");
            else if ($rU == "call") t_reply("200", "OK");
            else {
                forward();
                t_release();
            }
            exit;
        }

        """

    private static let asynchronousEnd = """
            rtpproxy_offer_async("OFFERED");
            t_reply("503", "No relay");
            exit;
        }

        route[OFFERED] {
            if ($rtpp_rc != 1) t_reply("503", "No relay");
            else if ($rU == "call") t_reply("200", "OK");
            else {
                forward();
                t_release();
            }
            exit;
        }

        """

    /// What could not be done is said in X-Media. Where there is a NEXT_HOST, that one is asked with X-Offered to work on
    /// the answer to what is offered here for sip:far-async@ and sip:far-blocking@.
    private static let wholeCalls = """
        request_route {
            if (method == "OPTIONS") {
                sl_send_reply("200", "OK");
                exit;
            }
        #!ifdef NEXT_HOST
            if (method == "KDMQ") {
                dmq_handle_message();
                exit;
            }
        #!endif
            if (method == "INFO") {
        #!ifdef NEXT_HOST
                # A real RTPProxy counts the seconds.
                if ($rtpstat =~ "^[1-6][0-9] ") sl_send_reply("200", "OK");
        #!else
                if ($rtpstat =~ "^60 ") sl_send_reply("200", "OK");
        #!endif
                else sl_send_reply("481", "No session");
                exit;
            }
            if (method == "BYE") {
                if ($rU == "async") rtpproxy_destroy_async();
                else if (!rtpproxy_destroy()) append_hf("X-Media: not deleted\\r\\n");
            }
            if (method == "CANCEL") {
                # One that has overtaken its INVITE comes again.
                if (t_check_trans()) t_relay();
                exit;
            }
            if (method == "INVITE") {
                t_newtran();
        #!ifdef NEXT_HOST
                if (is_present_hf("X-Offered")) {
                    if ($rU =~ "async$") t_on_reply("WAIT");
                    else t_on_reply("BLOCK");
                    t_relay();
                    exit;
                }
        #!endif
                # A call may be diverted; a re-INVITE that is refused leaves it as it is.
                if ($tt == $null) t_on_failure("BUSY");
                else t_on_failure("KEPT");
                route(REPLIES);
                if ($rU =~ "async$") {
                    rtpproxy_offer_async("OFFERED");
                    t_reply("503", "No relay");
                    exit;
                }
                if (!rtpproxy_offer()) {
                    t_reply("503", "No relay");
                    exit;
                }
                # Cancelled meanwhile.
                if (!t_relay() && $tt == $null) rtpproxy_destroy();
                exit;
            }
            t_relay();
            exit;
        }

        route[REPLIES] {
        #!ifdef NEXT_HOST
            if ($oU =~ "^far-") {
                t_on_branch("FAR");
                return;
            }
        #!endif
            if ($oU =~ "async$") t_on_reply("WAIT");
            else t_on_reply("BLOCK");
        }

        #!ifdef NEXT_HOST
        branch_route[FAR] {
            $du = NEXT_HOST;
            append_hf("X-Offered: yes\\r\\n");
        }
        #!endif

        route[OFFERED] {
            if ($rtpp_rc != 1) t_reply("503", "No relay");
            else if (!t_relay() && $tt == $null) rtpproxy_destroy();
            exit;
        }

        failure_route[BUSY] {
            if ($oU =~ "async$") rtpproxy_destroy_async();
            else rtpproxy_destroy();
            if (!t_check_status("486") || t_is_canceled()) exit;
            if ($oU =~ "async$") {
                rtpproxy_offer_async("NEXT");
                t_reply("503", "No relay");
                exit;
            }
            $rU = "next-blocking";
            route(REPLIES);
            t_on_failure("ENDED");
            if (!rtpproxy_offer()) t_reply("503", "No relay");
            else if (!t_relay()) rtpproxy_destroy();
            exit;
        }

        route[NEXT] {
            $rU = "next-async";
            route(REPLIES);
            t_on_failure("ENDED");
            route(OFFERED);
        }

        failure_route[ENDED] {
            if ($oU =~ "async$") rtpproxy_destroy_async();
            else rtpproxy_destroy();
            exit;
        }

        failure_route[KEPT] {
            rtpproxy_manage();
            exit;
        }

        onreply_route[BLOCK] {
            if (status == "200" && !rtpproxy_answer()) append_hf("X-Media: not answered\\r\\n");
        }

        onreply_route[WAIT] {
            if (status == "200") {
                rtpproxy_answer_async("ANSWERED");
                append_hf("X-Media: not answered\\r\\n");
            }
        }

        route[ANSWERED] {
            if ($rtpp_rc != 1) append_hf("X-Media: not answered\\r\\n");
        }

        """
}
