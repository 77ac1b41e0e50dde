/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of the contract rtpp_abi.h: a SIP message, and what is done with it and its transaction. */
#ifndef RTPP_MESSAGE_H
#define RTPP_MESSAGE_H

#include "rtpp_basics.h"

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

/* What holds for a dialog that the module looks after by itself: read of the dialog's variable. */
typedef struct rtpp_engagement {
    uint32_t set_id;
    rtpp_bytes flags;
    rtpp_bytes address;  /* absent: none was given */
    rtpp_bytes branch;   /* the Via branch that joins the Call-ID of all its messages; absent: none does */
    rtpp_bytes extra_id; /* what extra_id_pv was at the beginning; absent: flag b has not asked for it */
    rtpp_bytes node;     /* the URL of the one that has the call; absent: not known */
    size_t length;       /* of the text without the node */
    bool from_callee;    /* this message comes from the side that was called */
    bool awaits_prack;   /* the callee's offer came in a 1xx: the PRACK answers it. The host's to keep where it changes */
} rtpp_engagement;


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
    rtpp_engagement *engagement; /* of its dialog, whose session it names; NULL: the dialog is not engaged */
    const void *target;        /* where an asynchronous function goes on: the host's own, handed back to `suspend` */
} rtpp_message;

/* Replace `removed` bytes at `offset` of the message's body with `text`. Sorted by offset, disjoint. */
typedef struct rtpp_edit {
    size_t offset;
    size_t removed;
    rtpp_bytes text;
} rtpp_edit;

#endif
