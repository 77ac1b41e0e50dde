/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of the contract rtpp_abi.h: what the module tells scripts and journals of. */
#ifndef RTPP_EVENTS_H
#define RTPP_EVENTS_H

#include "rtpp_basics.h"

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

#endif
