/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The contract between the C glue inside Kamailio and the Swift half of the module.
 *
 * Direction: functions `rtpp_*` are called by the glue; the function pointers of `rtpp_host` are called by Swift.
 * Ownership: every `rtpp_bytes` is borrowed for the call it is passed to, in both directions. Nothing that one
 *   side allocates is freed by the other. Results are written into memory that the caller supplies.
 * Processes: `rtpp_create` to `rtpp_share` run in the main process before it forks; everything after `rtpp_attach`
 *   belongs to the process that attached.
 * Failure: no entry point traps, blocks longer than the configured budget, or leaves a message half changed.
 */
#ifndef RTPP_ABI_H
#define RTPP_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RTPP_ABI_VERSION 2u

/* Tells Swift that an enum has no values but those listed; the C glue passes no others. */
#ifdef __clang__
#define RTPP_CLOSED __attribute__((enum_extensibility(closed)))
#else
#define RTPP_CLOSED
#endif

/* A run of bytes, not terminated. `data` NULL: absent. */
typedef struct rtpp_bytes {
    const uint8_t *data;
    size_t length;
} rtpp_bytes;

/* What an entry point of the life cycle or of RPC says. */
typedef enum RTPP_CLOSED rtpp_status {
    RTPP_OK = 0,
    RTPP_BAD_CONFIGURATION = 1, /* logged, each fault with parameter and text */
    RTPP_BAD_ARGUMENT = 2,      /* a NULL or a length that cannot be; nothing was done */
    RTPP_BAD_VERSION = 3,       /* the other side speaks another version of this contract */
    RTPP_BAD_SHARED_MEMORY = 4, /* the block is too small, or not one that this build laid out */
    RTPP_NOT_FOUND = 5,         /* no such node */
    RTPP_NO_MEMORY = 6,
    RTPP_TOO_SMALL = 7,         /* the output does not fit; `needed` says how much does */
    RTPP_NO_VALUE = 8,          /* nothing to give; a variable is $null */
    RTPP_BUSY = 9               /* another process is doing this */
} rtpp_status;

/* What a script function returns: 1 done, -1 error, -2 marked or already rewritten, -3 no RTPProxy. 0, of the
 * asynchronous ones alone: the transaction waits, and this run of the script is over. */
typedef int32_t rtpp_code;

typedef enum RTPP_CLOSED rtpp_level {
    RTPP_LOG_ERROR = 0,
    RTPP_LOG_WARNING = 1,
    RTPP_LOG_NOTICE = 2,
    RTPP_LOG_INFO = 3,
    RTPP_LOG_DEBUG = 4
} rtpp_level;

typedef enum RTPP_CLOSED rtpp_method {
    RTPP_METHOD_OTHER = 0,
    RTPP_METHOD_INVITE = 1,
    RTPP_METHOD_ACK = 2,
    RTPP_METHOD_BYE = 3,
    RTPP_METHOD_CANCEL = 4,
    RTPP_METHOD_UPDATE = 5,
    RTPP_METHOD_PRACK = 6
} rtpp_method;

typedef enum RTPP_CLOSED rtpp_route {
    RTPP_ROUTE_OTHER = 0,
    RTPP_ROUTE_FAILURE = 1,        /* failure_route, also where another module had suspended it */
    RTPP_ROUTE_BRANCH_FAILURE = 2  /* event_route[tm:branch-failure:...] */
} rtpp_route;

/* What tm knows of the transaction of a reply. */
typedef enum RTPP_CLOSED rtpp_transaction {
    RTPP_TRANSACTION_NONE = 0,     /* tm is not loaded, or there is no transaction */
    RTPP_TRANSACTION_OFFERED = 1,  /* its INVITE was marked: it carried SDP */
    RTPP_TRANSACTION_NO_OFFER = 2  /* its INVITE was not */
} rtpp_transaction;

/* Variables that a configuration names and that only some flags or functions need. */
typedef enum RTPP_CLOSED rtpp_variable {
    RTPP_VARIABLE_EXTRA_ID = 0,     /* extra_id_pv, as printed */
    RTPP_VARIABLE_TIMEOUT_TAG = 1,  /* timeout_tag_pv, as printed */
    RTPP_VARIABLE_ICE_PRIORITY = 2  /* ice_candidate_priority_avp, as printed */
} rtpp_variable;

/* What has become of a message's body before. */
typedef enum RTPP_CLOSED rtpp_body_state {
    RTPP_BODY_AS_IT_CAME = 0, /* nothing, or edits of ours for a destination that has failed: new ones replace them */
    RTPP_BODY_REWRITTEN = 1,  /* an earlier call's edits are going to be sent */
    RTPP_BODY_EDITED = 2      /* somebody else has edits that are not made yet */
} rtpp_body_state;

/* What came of suspending a transaction. */
typedef enum RTPP_CLOSED rtpp_suspension {
    RTPP_SUSPENDED = 0,
    RTPP_RETRANSMISSION = 1, /* it waits already, or is over: nothing is left to do for this message */
    RTPP_NOT_SUSPENDED = 2   /* logged */
} rtpp_suspension;

/* What became of a transaction that waited. */
typedef enum RTPP_CLOSED rtpp_resumption {
    RTPP_TAKEN = 0,
    RTPP_GONE = 1,       /* it had ended, or its message could not be changed: what was created is deleted */
    RTPP_HANDED_OVER = 2, /* another process goes on; the record is the host's until rtpp_resumed or rtpp_held_up */
    RTPP_HELD_UP = 3     /* another process holds the transaction: resume_again, a little later */
} rtpp_resumption;

/* What a call needs out of a SIP message. A header that is absent or unreadable is an absent field. */
typedef struct rtpp_message {
    void *context;             /* the host's own message, handed back to the callbacks */
    uint32_t id;               /* with `process`, what tells one message from the next */
    int32_t process;
    bool is_request;
    bool has_body;             /* anything stands behind the headers */
    rtpp_method method;        /* of a reply: that of its CSeq */
    int32_t status;            /* of a reply, else 0 */
    rtpp_route route;
    int64_t content_length;    /* -1: no such header */
    rtpp_bytes content_type;   /* the header's value, as it stands */
    rtpp_bytes body;           /* all that stands behind the headers */
    rtpp_bytes call_id;
    rtpp_bytes from_tag;
    rtpp_bytes to_tag;
    rtpp_bytes via1_branch;
    rtpp_bytes via2_branch;
    rtpp_bytes own_branch;     /* the branch of the Via that this host puts on top, where that is known of a request */
    bool is_made_up;           /* nobody has sent it: it names no call */
    rtpp_bytes source;         /* address it came from, as text without brackets */
    rtpp_bytes received;       /* address it was received on, likewise */
    const void *target;        /* where an asynchronous function goes on: the host's own, handed back to `suspend` */
} rtpp_message;

/* Replace `removed` bytes at `offset` of the message's body with `text`. Sorted by offset, disjoint. */
typedef struct rtpp_edit {
    size_t offset;
    size_t removed;
    rtpp_bytes text;
} rtpp_edit;

/* What the module's own processes raise, for a script to act on: the kind, and what its event route is called. */
#define RTPP_EVENTS(EVENT)                                                                  \
    EVENT(NODE_DOWN, "node-down")           /* an RTPProxy no longer takes commands */      \
    EVENT(NODE_UP, "node-up")               /* it does again */                             \
    EVENT(NODE_DRAINED, "node-drained")     /* one that gets no new calls has none left */  \
    EVENT(NODE_RESTARTED, "node-restarted") /* an RTPProxy has lost its sessions */         \
    EVENT(TIMEOUT, "timeout")               /* the media of a call has stopped */

#define RTPP_EVENT_KIND(kind, name) RTPP_EVENT_##kind,
typedef enum RTPP_CLOSED rtpp_event_kind { RTPP_EVENTS(RTPP_EVENT_KIND) } rtpp_event_kind;
#undef RTPP_EVENT_KIND

/* One event; of its fields those that the kind has, the others absent or 0. */
typedef struct rtpp_event {
    rtpp_event_kind kind;
    rtpp_bytes url; /* of a node: as configured */
    uint32_t set_id;
    rtpp_bytes reason;
    rtpp_bytes tag;     /* of a timeout: what RTPProxy was given with the offer */
    rtpp_bytes call_id; /* absent where the tag is not the Call-ID */
    uint32_t stream;    /* which media stream of it, from 1; 0: not known */
} rtpp_event;

/* One report: the line of the log, and what is in it in fields of their own, absent where it has none. */
typedef struct rtpp_report {
    rtpp_bytes id;    /* what a journal tells its kind by: 32 hexadecimal digits */
    rtpp_level level;
    rtpp_bytes line;  /* printable ASCII, as every field */
    rtpp_bytes url;
    rtpp_bytes state; /* of the RTPProxy, as rtpproxy.stats says it */
    bool has_set;
    uint32_t set_id;
    rtpp_bytes call_id;
    rtpp_bytes file;  /* the source file that reports */
} rtpp_report;

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
} rtpp_host;

/* One line of rtpproxy.list. */
typedef struct rtpp_node_info {
    rtpp_bytes url; /* borrowed while the module lives */
    uint32_t set_id;
    uint32_t index;
    bool disabled;
    uint32_t weight;
    int32_t recheck; /* tick of the next try, 0 never down, -1 disabled for good */
} rtpp_node_info;

typedef struct rtpp_module rtpp_module; /* one per process image, made before the fork */

#define RTPP_API __attribute__((visibility("default")))

/* The version this library was built with. */
RTPP_API uint32_t rtpp_abi_version(void);

/* --- life cycle, in this order --- */

/* Makes the module with every parameter at its default. `host` is copied. */
RTPP_API rtpp_status rtpp_create(const rtpp_host *host, rtpp_module **module);
/* One modparam line. Faults are kept and reported by rtpp_configure, all in one go. */
RTPP_API rtpp_status rtpp_set_text(rtpp_module *module, const char *parameter, rtpp_bytes value);
RTPP_API rtpp_status rtpp_set_number(rtpp_module *module, const char *parameter, int64_t value);
/* Where the parameters that follow stand in the configuration, for the lines of their faults; absent: not known. */
RTPP_API rtpp_status rtpp_set_place(rtpp_module *module, rtpp_bytes place);
/* Logs the faults that have not been logged, and says how many. */
RTPP_API size_t rtpp_report_faults(rtpp_module *module);
/* The kind of report that a fault of the configuration is, of those that the host finds. The text stays. */
RTPP_API rtpp_bytes rtpp_fault_id(void);
/* Says that a set is named in the script; one that is not configured is a fault of rtpp_configure's kind. */
RTPP_API rtpp_status rtpp_check_set(rtpp_module *module, int64_t set_id);
/* One row of the database, in order. RTPP_BAD_ARGUMENT: logged and left out. */
RTPP_API rtpp_status rtpp_add_row(
        rtpp_module *module, size_t row, rtpp_bytes set_id, rtpp_bytes url, const int64_t *weight, const int64_t *flags);
/* Checks everything. */
RTPP_API rtpp_status rtpp_configure(rtpp_module *module);
/* What the configuration says of the parameters that can be changed later. Behind rtpp_configure. */
RTPP_API void rtpp_configured_tuning(rtpp_module *module, rtpp_tuning *tuning);

/* The script functions that take flags. */
typedef enum RTPP_CLOSED rtpp_function {
    RTPP_FUNCTION_OFFER = 0,
    RTPP_FUNCTION_ANSWER = 1,
    RTPP_FUNCTION_MANAGE = 2,
    RTPP_FUNCTION_DELETE = 3
} rtpp_function;

/* Flags and ip_address that the script writes out, for the function called `name`. RTPP_BAD_CONFIGURATION: logged, the
 * function would fail with each message. What does nothing is logged as a warning. */
RTPP_API rtpp_status rtpp_check_flags(
        rtpp_module *module, rtpp_function function, const char *name, rtpp_bytes flags, bool has_extra_id);
RTPP_API rtpp_status rtpp_check_address(rtpp_module *module, const char *name, rtpp_bytes address);

/* What the script has and asks for. */
typedef struct rtpp_script {
    bool has_timeout_route; /* it has an event route for RTPP_EVENT_TIMEOUT */
    bool hears_timeouts;    /* that, or a function that hears of all events */
    bool has_callback;      /* event_callback is set */
    bool has_engine;        /* it is one of KEMI */
    bool has_timeout_tag;   /* timeout_tag_pv is set */
    bool chooses_sets;      /* it selects sets itself, or may: it cannot be checked */
} rtpp_script;

/* Warns of what is configured and does nothing. `knows_nodes`: the sets have been read. */
RTPP_API void rtpp_check_script(rtpp_module *module, const rtpp_script *script, bool knows_nodes);
/* Bytes of shared memory that the configuration needs. */
RTPP_API size_t rtpp_shared_size(rtpp_module *module);
/* Lays the shared memory out: zeroed, aligned to 64. Once, before the fork. */
RTPP_API rtpp_status rtpp_share(rtpp_module *module, void *block, size_t size);
/* In each process, before any call below. Opens nothing. */
RTPP_API rtpp_status rtpp_attach(rtpp_module *module);
/* Closes what this process opened and frees the module. */
RTPP_API void rtpp_destroy(rtpp_module *module);

/* How many asynchronous processes there are to be, and whether routes go on in workers of the host's instead. */
RTPP_API size_t rtpp_async_processes(rtpp_module *module);
RTPP_API bool rtpp_async_in_workers(rtpp_module *module);
/* Asynchronous process number `process`, from 0: drives what is handed over until the process is ended. */
RTPP_API void rtpp_run_async(rtpp_module *module, size_t process);

/* The module's own process: probes until the process is ended. */
RTPP_API void rtpp_run_monitor(rtpp_module *module);

/* Opens the socket for notifications, once the configuration is checked and before the fork. `user` and `group` get a
 * socket file, -1: as it is. RTPP_NO_VALUE: none is configured. RTPP_BAD_CONFIGURATION: logged. */
RTPP_API rtpp_status rtpp_listen(rtpp_module *module, int32_t user, int32_t group);
/* The script asks which stream a notification is about: each is told then, not each call. Before the fork, or in the
 * process that listens. */
RTPP_API void rtpp_tell_streams(rtpp_module *module);
/* The module's process that listens: raises RTPP_EVENT_TIMEOUT until the process is ended. `tag_is_call_id`: offers
 * give no tags of their own. */
RTPP_API void rtpp_run_notify(rtpp_module *module, bool tag_is_call_id);

/* --- script functions: on any failure the message is as it came --- */

/* `flags` absent: none. `address` absent: not given; empty: refused. */
RTPP_API rtpp_code rtpp_offer(rtpp_module *module, const rtpp_message *message, rtpp_bytes flags, rtpp_bytes address);
RTPP_API rtpp_code rtpp_answer(rtpp_module *module, const rtpp_message *message, rtpp_bytes flags, rtpp_bytes address);
RTPP_API rtpp_code rtpp_manage(rtpp_module *module, const rtpp_message *message, rtpp_bytes flags, rtpp_bytes address);
RTPP_API rtpp_code rtpp_delete(rtpp_module *module, const rtpp_message *message, rtpp_bytes flags);
/* The same without waiting: 0 and the transaction is suspended, or what can be said at once. */
RTPP_API rtpp_code rtpp_offer_async(
        rtpp_module *module, const rtpp_message *message, rtpp_bytes flags, rtpp_bytes address);
RTPP_API rtpp_code rtpp_answer_async(
        rtpp_module *module, const rtpp_message *message, rtpp_bytes flags, rtpp_bytes address);
RTPP_API rtpp_code rtpp_manage_async(
        rtpp_module *module, const rtpp_message *message, rtpp_bytes flags, rtpp_bytes address);
/* Suspends nothing: 1 once the deletion is handed over. */
RTPP_API rtpp_code rtpp_delete_async(rtpp_module *module, const rtpp_message *message, rtpp_bytes flags);
/* The route of a transaction that waited is about to run, with `message`: what was chosen for it holds again. */
RTPP_API void rtpp_goes_on(rtpp_module *module, const rtpp_message *message, const void *record);
/* Carries a deletion out that `postpone` has kept. The record is no longer the host's. */
RTPP_API void rtpp_delete_postponed(rtpp_module *module, void *record);
/* What came of a record that `resume` had handed over: RTPP_TAKEN or RTPP_GONE. It is no longer the host's. */
RTPP_API void rtpp_resumed(rtpp_module *module, void *record, rtpp_resumption resumption);
/* A record that `resume` or `resume_again` had handed over is held up where it is: its asynchronous process will try
 * again. false: it cannot be told, the record is still the host's. */
RTPP_API bool rtpp_held_up(rtpp_module *module, void *record);
/* Selects the set for the rest of this message's processing. */
RTPP_API rtpp_code rtpp_select_set(rtpp_module *module, const rtpp_message *message, int64_t set_id);
/* The same with the text of a variable: digits. */
RTPP_API rtpp_code rtpp_select_set_text(rtpp_module *module, const rtpp_message *message, rtpp_bytes text);
/* Play `prompt` `count` times (-1: without end) to the caller's side (`to_uas` false) or the callee's. */
RTPP_API rtpp_code rtpp_play(
        rtpp_module *module, const rtpp_message *message, rtpp_bytes prompt, int64_t count, bool to_uas);
RTPP_API rtpp_code rtpp_stop_play(rtpp_module *module, const rtpp_message *message, bool to_uas);
RTPP_API rtpp_code rtpp_record(rtpp_module *module, const rtpp_message *message);
/* The statistics of the call as RTPProxy gives them, without line end. RTPP_NO_VALUE, RTPP_TOO_SMALL. */
RTPP_API rtpp_status rtpp_statistics(
        rtpp_module *module, const rtpp_message *message, uint8_t *output, size_t capacity, size_t *length);
/* The number of a figure of a call's media, for rtpp_figure; -1: there is none of this name. Before the fork it says
 * that the script asks for figures, so that RTPProxies are asked which ones they know; `name` absent says it, too. */
RTPP_API int32_t rtpp_figure_index(rtpp_module *module, rtpp_bytes name);

/* A figure as text and, where it is a whole number, as that. */
typedef struct rtpp_figure_value {
    uint8_t text[32];
    size_t length;
    bool is_whole;
    int64_t number;
} rtpp_figure_value;

/* The figure over all streams of the call. Asked for once per message. RTPP_NO_VALUE. */
RTPP_API rtpp_status rtpp_figure(
        rtpp_module *module, const rtpp_message *message, int32_t index, rtpp_figure_value *value);

/* --- RPC --- */

RTPP_API size_t rtpp_node_count(rtpp_module *module);
RTPP_API rtpp_status rtpp_node(rtpp_module *module, size_t position, rtpp_node_info *info);
/* The number that turns something on or off, as text: on where it is above 0. RTPP_BAD_ARGUMENT: it is no whole number
 * of 32 bits. */
RTPP_API rtpp_status rtpp_read_switch(rtpp_bytes number, bool *is_on);
/* The commands below act on every entry that `nodes` means: a URL as configured, "all", or "set:" and a number.
 * RTPP_NOT_FOUND: none. */
/* On, or off for good. */
RTPP_API rtpp_status rtpp_enable(rtpp_module *module, rtpp_bytes nodes, bool enabled);
/* No new calls while existing ones go on, or new calls again. */
RTPP_API rtpp_status rtpp_drain(rtpp_module *module, rtpp_bytes nodes, bool draining);
/* Forgets which calls they hold; `*count`: how many those were. */
RTPP_API rtpp_status rtpp_forget(rtpp_module *module, rtpp_bytes nodes, size_t *count);

/* What rtpp_probe found out of one node. */
typedef struct rtpp_probe_info {
    rtpp_bytes url; /* borrowed while the module lives */
    uint32_t set_id;
    uint32_t index;
    bool answered;          /* within the budget, and as an RTPProxy does */
    uint32_t round_trip_us; /* 1 or more where it answered */
    rtpp_bytes reason;      /* why it did not; borrowed while the module lives, absent where it did */
} rtpp_probe_info;

/* Asks them, or every one where `nodes` is absent, whether they are there, all side by side, and waits for the answers
 * no longer than the budget. `*count`: how many were asked. */
RTPP_API rtpp_status rtpp_probe(rtpp_module *module, rtpp_bytes nodes, size_t *count);
/* What this process's last rtpp_probe found out, in the order of rtpp_node. */
RTPP_API rtpp_status rtpp_probed(rtpp_module *module, size_t index, rtpp_probe_info *info);

#define RTPP_SPREAD 22

/* What has been counted of one node, since start or rtpp_reset_statistics. */
typedef struct rtpp_node_figures {
    rtpp_bytes url; /* borrowed while the module lives */
    uint32_t set_id;
    uint32_t index;
    uint32_t weight;
    rtpp_bytes state;       /* starting, up, suspect, draining, down or disabled; borrowed while the module lives */
    uint32_t state_seconds; /* for how long */
    uint32_t calls;         /* of the call table that it holds */
    uint64_t restarts;      /* times that it was seen to have lost its sessions */
    uint64_t commands;      /* of calls, each once */
    uint64_t answered;      /* of these, errors among the answers */
    uint64_t errors;        /* answers that are errors */
    uint64_t timeouts;      /* commands without an answer in time */
    uint64_t retransmissions;
    uint32_t round_trip_us; /* smoothed; this and the percentiles: 0 without a sample */
    uint32_t round_trip_p50_us;
    uint32_t round_trip_p90_us;
    uint32_t round_trip_p99_us;
    /* Round trips below 32 us, then by powers of two from 2^5 us on; the last: 2^25 us and above. */
    uint64_t round_trips[RTPP_SPREAD];
    uint8_t last_error[96]; /* what went wrong last, in words */
    size_t last_error_length; /* 0: nothing did */
    uint32_t last_error_seconds; /* how long ago */
} rtpp_node_figures;

/* Of the node at `position`, counted as by rtpp_node. RTPP_NO_VALUE: `nodes` is given, and means others. */
RTPP_API rtpp_status rtpp_node_statistics(
        rtpp_module *module, size_t position, rtpp_bytes nodes, rtpp_node_figures *figures);
/* Page `page`, from 1, of all figures in the text format of Prometheus, none longer than `capacity` bytes. `values`:
 * those of rtpp_counter_at, in its order. `pages`: how many there are. RTPP_NOT_FOUND: no such page (0: none is
 * wanted). RTPP_TOO_SMALL: `capacity` is too small for the figures of the server or of a single node. */
RTPP_API rtpp_status rtpp_metrics(rtpp_module *module, const uint64_t *values, size_t count, size_t page,
        uint8_t *output, size_t capacity, size_t *length, size_t *pages);
/* Sets what has been counted of every node back to nothing. */
RTPP_API void rtpp_reset_statistics(rtpp_module *module);

/* A figure of the server as a whole. */
typedef struct rtpp_counter_row {
    const char *name; /* ends in a NUL byte, like the next; both stay */
    const char *help;
    bool is_gauge; /* of the moment, asked for by rtpp_gauge_value; the host counts the others */
} rtpp_counter_row;

/* No more figures than this: what the host reserves for them. */
#define RTPP_MOST_COUNTERS 64
/* The figure at `position`: the counters come first. False behind the last. */
RTPP_API bool rtpp_counter_at(size_t position, rtpp_counter_row *row);
/* The gauge at `position`, counted with the counters before it. */
RTPP_API uint64_t rtpp_gauge_value(rtpp_module *module, size_t position);

/* What a reload did, in nodes. */
typedef struct rtpp_pool_change {
    uint32_t added;
    uint32_t kept;
    uint32_t removed; /* get no new calls, and disappear when theirs have ended */
    uint32_t refused; /* no room */
    uint32_t skipped; /* rows that are left out */
} rtpp_pool_change;

/* From here to rtpp_commit_reload or rtpp_abandon_reload, rtpp_add_row gathers a new pool beside the present one.
 * RTPP_NO_VALUE: the sets do not come from a database. */
RTPP_API rtpp_status rtpp_begin_reload(rtpp_module *module);
/* Makes the gathered pool the present one, for all processes. RTPP_BUSY: nothing was changed. */
RTPP_API rtpp_status rtpp_commit_reload(rtpp_module *module, rtpp_pool_change *change);
RTPP_API void rtpp_abandon_reload(rtpp_module *module);

#endif
