/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of the contract rtpp_abi.h: what Swift calls, the services of the host. */
#ifndef RTPP_HOST_H
#define RTPP_HOST_H

#include "rtpp_events.h"
#include "rtpp_message.h"

/* Parameters that can be changed while the server runs. */
typedef struct rtpp_tuning {
    int32_t timeout_ms;      /* of rtpproxy_tout_ms, 1 or more */
    int32_t tries;           /* of rtpproxy_retr, 1 or more */
    int32_t disable_seconds; /* of rtpproxy_disable_tout; negative: for good */
    int32_t ping_seconds;    /* of rtpproxy_ping_interval, 0: none */
    bool hedges;             /* of rtpproxy_hedging */
} rtpp_tuning;

/* Services of the host. All are called in the process that called the entry point. */
typedef struct rtpp_host {
    uint32_t abi_version; /* RTPP_ABI_VERSION of the glue */
    void (*log)(rtpp_level level, rtpp_bytes line);
    /* The same for what a journal has fields for: one line, wherever it goes. */
    void (*report)(const rtpp_report *report);
    bool (*wants_debug)(void); /* whether lines of RTPP_LOG_DEBUG are written */
    /* The parameters that can be changed, where they are not what they were when this process last asked; else false. */
    bool (*tuning)(rtpp_tuning *tuning);
    uint32_t (*ticks)(void); /* seconds since start, the clock of `recheck` */
    /* `counter`: a position of rtpp_counter_at. Costs next to nothing: calls count all they do. */
    void (*count)(size_t counter, uint32_t amount);
    /* The text of a variable, borrowed until the next call; false where it is not configured or cannot be read.
     * `*is_null` is set where it is configured but unset. */
    bool (*variable)(void *context, rtpp_variable which, rtpp_bytes *value, bool *is_null);
    /* Stores the URL of the chosen RTPProxy in rtp_inst_pvar; nothing where that is not configured. */
    void (*set_instance)(void *context, rtpp_bytes url);
    rtpp_body_state (*body_state)(void *context);
    /* Makes all edits or none, in the place of those that are over; false: none. */
    bool (*apply_edits)(void *context, const rtpp_edit *edits, size_t count);
    rtpp_transaction (*transaction)(void *context);
    /* Whether the request that a reply belongs to had a to-tag; false where there is no transaction. */
    bool (*is_within_dialog)(void *context);
    /* Whether a reply is to an INVITE without a to-tag of which tm has not passed on a final answer yet; false where there
     * is no transaction. */
    bool (*is_first_answer)(void *context);
    /* Whether the message goes to a client by WebSocket: a request by its URIs and its socket as they are now, a reply by
     * the Via that it goes to. */
    bool (*goes_to_websocket)(void *context);
    /* Marks the transaction of an INVITE with SDP; nothing without tm. */
    void (*mark_transaction)(void *context);
    /* Keeps the record of a deletion with the transaction of an INVITE that has failed, the only one; false: it cannot.
     * Once it is known that the call does not go on, rtpp_delete_postponed has it; where it does, it is released. */
    bool (*postpone)(void *context, void *record);
    /* Takes it out again; NULL: there is none. */
    void *(*take_postponed)(void *context);
    /* Asked by the module's own process between two pieces of work, ten times a second or more: handles signals that
     * were held back meanwhile. false: the server has gone, rtpp_run_monitor is to return. */
    bool (*is_wanted)(void);
    /* Runs what the script has for an event, in the process that raises it, and returns when that is through. */
    void (*raise)(const rtpp_event *event);
    /* Shared memory, aligned to 8, zeroed or not; NULL: there is none left. */
    void *(*allocate)(size_t size);
    void (*release)(void *memory);
    /* Bytes in which `suspend` notes what `resume` needs to know. */
    size_t continuation_size;
    rtpp_suspension (*suspend)(void *context, const void *target, void *continuation);
    /* Lets the transaction go on, once: with `code`, after all edits or none of its message, which has to have the
     * `body` that they are of. `instance`: URL of the RTPProxy, empty where none was chosen. `body` lives as long as
     * the record. May call any other entry point. */
    rtpp_resumption (*resume)(void *record, void *continuation, rtpp_code code, const rtpp_edit *edits, size_t count,
            rtpp_bytes body, rtpp_bytes instance);
    /* The same for one that was held up: the host has kept what it needs. */
    rtpp_resumption (*resume_again)(void *record, void *continuation);
    /* Asked by the module's own process: a deletion that another process has left to it; NULL: there is none. The record
     * is no longer the host's. */
    void *(*take_deletion)(void);
    /* Sends a message to all hosts that share calls, or to the one at `address`; its answer to a question comes with `tag`
     * to rtpp_fleet_answer. NULL both: there are none. */
    void (*fleet_broadcast)(rtpp_bytes message);
    void (*fleet_send)(rtpp_bytes message, rtpp_bytes address, uint64_t tag);
} rtpp_host;

#endif
