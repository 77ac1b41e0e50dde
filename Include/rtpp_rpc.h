/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of the contract rtpp_abi.h: RPC commands, statistics, and a reload of the sets. */
#ifndef RTPP_RPC_H
#define RTPP_RPC_H

#include "rtpp_basics.h"

/* One line of rtpproxy.list. */
typedef struct rtpp_node_info {
    rtpp_bytes url; /* borrowed while the module lives */
    uint32_t set_id;
    uint32_t index;
    bool disabled;
    uint32_t weight;
    int32_t recheck; /* tick of the next try, 0 never down, -1 disabled for good */
} rtpp_node_info;

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
