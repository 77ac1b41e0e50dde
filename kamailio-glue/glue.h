/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the glue share. The glue translates between Kamailio's structures and rtpp_abi.h; it decides
 * nothing about SDP, flags, nodes or the protocol. */
#ifndef RTPP_GLUE_H
#define RTPP_GLUE_H

#include "compat.h"

#include "rtpp_abi.h"

/* module.c: the Swift half, made when the module is loaded. */
extern rtpp_module *rtpp_instance;

/* host.c */
extern const rtpp_host rtpp_host_services;
/* Parses the variables that the parameters name; every fault is logged. */
int rtpp_host_init(void);
/* Binds tm where it is loaded, once all modules are initialised, in whatever order they were loaded. */
void rtpp_host_bind_tm(void);
/* Whether offers have tags of their own for RTPProxy's notifications. */
bool rtpp_host_has_timeout_tag(void);
int rtpp_host_set_variable(const char *parameter, const char *name);

/* message.c: borrows what a call needs out of a SIP message. */
void rtpp_message_init(rtpp_message *out, struct sip_msg *msg);
void rtpp_message_set_instance(void *context, rtpp_bytes url);

/* dialog.c: binds the module `dialog` where it is loaded, once all modules are initialised. */
void rtpp_dialog_bind(void);
/* Gives a made-up message the Call-ID and tags of the dialog whose event route runs; NULL: it has none. What is given is
 * to be returned. */
struct dlg_cell *rtpp_dialog_lend(rtpp_message *message);
void rtpp_dialog_return(struct dlg_cell *dialog);

/* lumps.c: edits of the body. */
rtpp_body_state rtpp_message_body_state(void *context);
bool rtpp_message_apply(void *context, const rtpp_edit *edits, size_t count);

/* postponed.c: deletions that wait for whether a call goes on. */
int rtpp_postponed_init(void);
bool rtpp_postpone(void *context, void *record);
void *rtpp_take_postponed(void *context);

/* async.c: transactions that wait for an asynchronous process. */
#define RTPP_CONTINUATION_SIZE 128
rtpp_suspension rtpp_suspend(void *context, void *continuation);
rtpp_resumption rtpp_resume(void *record, void *continuation, rtpp_code code, const rtpp_edit *edits, size_t count,
		rtpp_bytes body, rtpp_bytes instance);
rtpp_resumption rtpp_resume_again(void *record, void *continuation);
/* Where the next transaction to be suspended goes on: a route by its number or, under KEMI, a function by its name. */
void rtpp_async_target(int route, const str *function);
/* The message with which a transaction has just gone on, NULL elsewhere, and what its call came to. */
const struct sip_msg *rtpp_resumed_message(void);
rtpp_code rtpp_resumed_code(void);

/* tm_compat.c: what is known of tm's insides. */
struct cell;
/* Takes a transaction's reply lock; false: another process has it. */
bool rtpp_tm_try_lock(struct cell *transaction);
void rtpp_tm_unlock(struct cell *transaction);
/* Whether another process has it just now. */
bool rtpp_tm_is_locked(struct cell *transaction);
/* Which suspension of its request a transaction has had last, and whether it still waits for that one. */
int rtpp_tm_suspension(const struct cell *transaction);
bool rtpp_tm_request_waits(const struct cell *transaction, int suspension);
/* Whether it is cancelled; without the lock. */
bool rtpp_tm_is_cancelled(const struct cell *transaction);
/* Whether a branch from number `first` on was added and will never be sent. */
bool rtpp_tm_has_stranded_branch(const struct cell *transaction, int first);
/* Whether the route that runs is one in which a request goes on that had waited, for whatever module, in a request
 * route: the core takes that for a failure route. */
bool rtpp_tm_is_continued_request(void);
/* What a request has been changed to, in shared memory. */
typedef struct rtpp_lumps {
	struct lump *headers;
	struct lump *bodies;
	struct lump_rpl *replies;
} rtpp_lumps;
bool rtpp_tm_copy_lumps(struct sip_msg *msg, rtpp_lumps *copy);
/* In the place of those that the transaction's own copy of its request has. */
void rtpp_tm_give_lumps(struct cell *transaction, const rtpp_lumps *copy);
/* Puts the clone of a reply where t_suspend would have left one; false: tm has no use for it any more. */
bool rtpp_tm_put_reply_in(struct cell *transaction, int branch, struct sip_msg *reply, int length);
/* The reverse, where t_continue has not looked at it. */
void rtpp_tm_take_reply_out(struct cell *transaction, int branch);
bool rtpp_tm_has_reply(const struct cell *transaction, int branch, const struct sip_msg *reply);
/* Around the route in which a reply goes on. */
void rtpp_tm_reply_route_begins(struct cell *transaction);
void rtpp_tm_reply_route_ends(struct cell *transaction, const struct sip_msg *reply);
/* Gives the transaction back what it had before a reply was put in: a wait for another module, a CANCEL, a failure. */
void rtpp_tm_restore(struct cell *transaction);

/* journal.c: reports for the log, and for journald beside it where that is wanted and there. */
int rtpp_journal_set_wish(modparam_t type, void *value);
/* Looks whether journald reads standard error, as long as that is what it was at the start. */
void rtpp_journal_look(void);
int rtpp_journal_init(void);
/* Reports a fault of a parameter. */
void rtpp_journal_fault(const char *format, ...) __attribute__((format(printf, 1, 2)));
void rtpp_journal_report(const rtpp_report *report);

/* events.c: event routes, or the KEMI function of the parameter event_callback. */
int rtpp_events_set_callback(modparam_t type, void *name);
/* Looks the routes up, once the script is read. */
void rtpp_events_init(void);
bool rtpp_event_is_wanted(rtpp_event_kind kind);
void rtpp_event_raise(const rtpp_event *event);
/* The event whose route runs, NULL elsewhere. */
const rtpp_event *rtpp_event_current(void);

/* host.c: tm's functions, NULL where it is not loaded. */
struct tm_binds *rtpp_tm(void);
/* The transaction of the message that is being processed, NULL where there is none. */
struct cell *rtpp_current_transaction(void);

/* script.c */
extern cmd_export_t rtpp_commands[];
extern sr_kemi_t rtpp_kemi_exports[];

/* counters.c: the group "rtpproxy" of Kamailio's counters. */
int rtpp_counters_init(void);
/* Adds to a counter: a word of this process's own. Before rtpp_counters_init they all are none. */
void rtpp_count(size_t counter, uint32_t amount);
/* Those that count go back to 0; figures of the moment stay. */
void rtpp_counters_reset(void);
/* All of the group by position, for those that show them: the value, and the name in `*name`. */
size_t rtpp_counters_count(void);
uint64_t rtpp_counters_value(size_t position, char **name);

/* rpc.c, pvar.c */
extern rpc_export_t rtpp_rpc[];
extern pv_export_t rtpp_variables[];

/* db.c: loads the sets from `url`; 0, or -1 with the reason logged and in rtpp_db_fault. */
int rtpp_db_load(const char *url, const char *table);
const char *rtpp_db_fault(void);

/* module.c: loads the sets as configured, at start-up and again. */
int rtpp_load_pool(void);

static inline rtpp_bytes rtpp_bytes_of(const str *text)
{
	rtpp_bytes bytes = {NULL, 0};

	if(text != NULL && text->s != NULL && text->len >= 0) {
		bytes.data = (const uint8_t *)text->s;
		bytes.length = (size_t)text->len;
	}
	return bytes;
}

static inline rtpp_bytes rtpp_bytes_of_cstring(const char *text)
{
	rtpp_bytes bytes = {(const uint8_t *)text, text != NULL ? strlen(text) : 0};

	return bytes;
}

#endif
