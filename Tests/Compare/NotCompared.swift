// SPDX-License-Identifier: GPL-2.0-or-later
// Differences from the other module that `make compare` does not see, because they take time, several processes, a
// database or a real relay: the tests of their own look at those. docs/operator/migration.md has them, too.

extension PageEntry {
    /// Chapter by chapter.
    static let notCompared: [PageEntry] = [
        PageEntry(
            .configuration,
            """
            **Weight 0** is a reserve.
            """),
        PageEntry(
            .configuration,
            """
            **`unix:`**: never more than four connections to one RTPProxy over all processes, and one that ends without
            an answer is made again; the other module has one for each worker, and takes such an RTPProxy for dead.
            """),
        PageEntry(
            .configuration,
            """
            **`cunix:`, `tcp:` and `tcp6:`** are understood.
            """),
        PageEntry(
            .configuration,
            """
            **A database row with a NULL or a bad value** is left out with a warning; the other module crashes.
            """),
        PageEntry(
            .configuration,
            """
            **A database that cannot be read** keeps Kamailio from starting; the other module starts without any
            RTPProxy.
            """),
        PageEntry(
            .configuration,
            """
            **`tm` loaded after the module** is used, too; the other module then runs as if there were no `tm`.
            """),
        PageEntry(
            .configuration,
            """
            **Faults of the parameters** are reported all in one go.
            """),
        PageEntry(
            .functions,
            """
            **Edits of other functions** that wait on the body: -1, until `msg_apply_changes()` has made them; the other
            module glues them to its own.
            """),
        PageEntry(
            .functions,
            """
            **Flag `1` in a branch route** gives each branch a session of its own; the other module takes the caller's
            Via.
            """),
        PageEntry(
            .functions,
            """
            **`rtpproxy_destroy` in the event routes of `dialog`** deletes the dialog's session; the other module asks
            for that of a message that Kamailio has made up.
            """),
        PageEntry(
            .functions,
            """
            **A request that goes on** after another module has suspended it in a request route (`async_route`):
            `rtpproxy_manage` offers; the other module takes it for a failed one and deletes.
            """),
        PageEntry(
            .functions,
            """
            **Answers that repeat what was sent**, and a null address in reply to another one, are failures; the other
            module writes them into the description.
            """),
        PageEntry(
            .functions,
            """
            **Several streams and a relay of one** (rtpengine): another relay of the set is asked, or all but the first
            audio are refused; the other module's second stream takes the place of the first.
            """),
        PageEntry(
            .messages,
            """
            **A stream that RTPProxy has forgotten** is refused in the answer where others live; with the other module
            the call goes on without the relay.
            """),
        PageEntry(
            .messages,
            """
            **The null address** of a wildcard socket is never written into the SDP: -1.
            """),
        PageEntry(
            .messages,
            """
            **More than 32 media streams** (`rtpproxy_max_streams`) are refused.
            """),
        PageEntry(
            .relays,
            """
            **Workers do not ask dead RTPProxies**: a process of the module's own does; in the other module each worker
            asks each dead one before it chooses.
            """),
        PageEntry(
            .relays,
            """
            **At start** each RTPProxy is asked once, not once per process.
            """),
        PageEntry(
            .relays,
            """
            **A call that its RTPProxy does not know** is looked for at all others of the set, eight at a time, before
            an answer, a prompt, statistics, a recording or a deletion counts as unknown; the other module asks one.
            """),
        PageEntry(
            .relays,
            """
            **A call that has had two RTPProxies**, or whose RTPProxy is taken for gone: its deletion goes to these, too.
            """),
        PageEntry(
            .relays,
            """
            **A slow RTPProxy**: an offer that begins a call asks the next one too after 50 to 250 ms of silence; the
            other module waits for `rtpproxy_tout` times `rtpproxy_retr` before it asks another.
            """),
        PageEntry(
            .relays,
            """
            **RTPProxies that are all silent** cost an offer that begins a call `rtpproxy_tout` times `rtpproxy_retr`
            once, not once each.
            """),
        PageEntry(
            .relays,
            """
            **A lost command** is sent again after milliseconds, not after `rtpproxy_tout`.
            """),
        PageEntry(
            .relays,
            """
            **The commands of all streams** go out together, not one after the other.
            """),
        PageEntry(
            .relays,
            """
            **Unix sockets** have the same time limit as the others.
            """),
        PageEntry(
            .relays,
            """
            **Error codes** are explained in the log.
            """),
        PageEntry(
            .additions,
            """
            **`rtpproxy_tout_ms`, `rtpproxy_ping_interval`, `rtpproxy_balancing`, `rtpproxy_call_table_size`,
            `rtpproxy_call_lifetime`, `rtpproxy_hedging`, `rtpproxy_dmq`** are new.
            """),
        PageEntry(
            .additions,
            """
            **`rtpproxy_async_processes`, `rtpproxy_async_max`, `rtpproxy_async_continue`** are new, and with them one
            process more.
            """),
        PageEntry(
            .additions,
            """
            **`$rtpp_stat(name)`** is new: single figures of a call's media, and its mean opinion score.
            """),
        PageEntry(
            .additions,
            """
            **`rtpproxy_offer_async`, `rtpproxy_answer_async`, `rtpproxy_manage_async`, `rtpproxy_destroy_async`** and
            **`$rtpp_rc`** are new: SIP workers do not wait. The other module has nothing of the kind.
            """),
        PageEntry(
            .additions,
            """
            **`rtpproxy_engage`, `rtpproxy_engage_async`, `rtpproxy_disengage`** and **`$rtpp_engaged`** are new: one call
            on the first INVITE, and the module does the rest of the dialog.
            """),
        PageEntry(
            .additions,
            """
            **`event_route[rtpproxy:node-down]`, `event_route[rtpproxy:node-up]`,
            `event_route[rtpproxy:node-drained]`, `event_route[rtpproxy:node-restarted]`**, `event_callback` and
            **`$rtpp_node`** are new.
            """),
        PageEntry(
            .additions,
            """
            **`rtpproxy_notify_listen`, `timeout_tag_pv`**, `event_route[rtpproxy:timeout]` and **`$rtpp_notify`** are
            new.
            """),
        PageEntry(
            .additions,
            """
            **`rtpproxy_journal`** and **`rtpproxy_log_level`** are new.
            """),
        PageEntry(
            .additions,
            """
            **`rtpproxy.stats`, `rtpproxy.reset_stats`, `rtpproxy.status`, `rtpproxy.version`** and **`$rtpp_metrics`,
            `$rtpp_metrics_page(N)`, `$rtpp_metrics_pages`** are new.
            """),
        PageEntry(
            .additions,
            """
            **`rtpproxy.drain`, `rtpproxy.forget`, `rtpproxy.probe` and `rtpproxy.reload`** are new; all commands take `all`
            and `set:2` in the place of a URL.
            """),
    ]
}
