/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the glue share. The glue translates between Kamailio's structures and rtpp_abi.h; it decides
 * nothing about SDP, flags, nodes or the protocol. */
#ifndef RTPP_GLUE_H
#define RTPP_GLUE_H

#include "compat.h"

#include "rtpp_abi.h"

/* module.c: the Swift half, made when the module is loaded. */
extern rtpp_module *glue_instance;

/* host.c */
extern const rtpp_host glue_host_services;
/* Parses the variables that the parameters name; every fault is logged. */
int glue_host_init(void);
/* Binds tm where it is loaded, once all modules are initialised, in whatever order they were loaded; -1: it is another
 * one than this module was built for, which is logged. */
int glue_host_bind_tm(void);
/* Whether offers have tags of their own for RTPProxy's notifications. */
bool glue_host_has_timeout_tag(void);
/* Whether flag b has something to add. */
bool glue_host_has_extra_id(void);
int glue_host_set_variable(const char *parameter, const char *name);

/* tuning.c: parameters that can be changed while Kamailio runs. Declares them, with what the configuration says. */
int glue_tuning_init(void);
/* What they are now, where this process has not seen that yet; else false. */
bool glue_tuning(rtpp_tuning *tuning);
int glue_tuning_set_log_level(modparam_t type, void *value);
/* Whether what has been set can be used. -1: no; logged. */
int glue_tuning_check(void);
/* The level that this module's lines go by. Kamailio's macros ask for it wherever a line is written. */
int glue_log_level(void);
#define get_debug_level(name, length) glue_log_level()

/* message.c: borrows what a call needs out of a SIP message. */
void glue_message_init(rtpp_message *out, struct sip_msg *msg);
bool glue_message_goes_to_websocket(void *context);
void glue_message_set_instance(void *context, rtpp_bytes url);

/* dialog.c: binds the module `dialog` where it is loaded, once all modules are initialised. */
void glue_dialog_bind(void);
/* Whether it is, and can make dialogs. */
bool glue_dialog_is_bound(void);
/* Gives a made-up message the Call-ID and tags of the dialog whose event route runs; NULL: it has none. What is given is
 * to be returned. */
struct dlg_cell *glue_dialog_lend(rtpp_message *message);
void glue_dialog_return(struct dlg_cell *dialog);
/* The dialog of a message, to be returned; NULL: there is none. */
struct dlg_cell *glue_dialog_of(struct sip_msg *msg);
/* The same, made where there is none. */
struct dlg_cell *glue_dialog_begin(struct sip_msg *msg);
/* What holds for a dialog that is looked after, and the text that it is read of. */
#define GLUE_ENGAGEMENT_SIZE 1024
typedef struct glue_engagement {
	rtpp_engagement read;
	char text[GLUE_ENGAGEMENT_SIZE];
	/* How much of it there is. */
	size_t length;
	/* The branch whose own it is, or from which on it is that of branches; -1: the dialog's. */
	int fork;
	bool is_of_later;
} glue_engagement;
/* A dialog's variables: how long one is, 0 where it is not there or does not fit; set_ and unset tell whether they could,
 * and only one of those who unset is told so. */
size_t glue_dialog_value(struct dlg_cell *dialog, const str *name, char *out, size_t capacity);
bool glue_dialog_set(struct dlg_cell *dialog, const str *name, const char *text, size_t length);
bool glue_dialog_unset(struct dlg_cell *dialog, const str *name);
bool glue_dialog_read(struct dlg_cell *dialog, const str *name, glue_engagement *out);
bool glue_dialog_is_engaged(struct dlg_cell *dialog);
bool glue_dialog_engagement(struct dlg_cell *dialog, glue_engagement *engagement);
/* Whether a message of it comes from the side that was called. */
bool glue_dialog_is_from_callee(const struct dlg_cell *dialog, const rtpp_message *message);
/* `branch`: that of the Via of the INVITE that begins it. */
bool glue_dialog_engage(struct dlg_cell *dialog, const char *text, size_t length, rtpp_bytes branch);
/* Another text for one that is engaged. */
bool glue_dialog_change(struct dlg_cell *dialog, const char *text, size_t length);
/* Whether nobody has taken the call yet. */
bool glue_dialog_is_early(const struct dlg_cell *dialog);
/* Whether it is this INVITE's branch, as far as is known. */
bool glue_dialog_was_begun_by(struct dlg_cell *dialog, rtpp_bytes branch);
/* false: it was not. */
bool glue_dialog_disengage(struct dlg_cell *dialog);
/* The same where the module has ended it, which is known as long as dialog has it. */
bool glue_dialog_end(struct dlg_cell *dialog);
bool glue_dialog_has_ended(struct dlg_cell *dialog);
/* Whether the PRACK to the one with this tag answers an offer; and that it does, or no longer. */
bool glue_dialog_awaits_prack(struct dlg_cell *dialog, rtpp_bytes tag);
void glue_dialog_await_prack(struct dlg_cell *dialog, rtpp_bytes tag, bool awaits);
/* Makes glue_engage_pass and glue_engage_end run for a dialog; false: there is no memory. */
bool glue_dialog_watch(struct dlg_cell *dialog);
/* The same for those that dialog reads from its database: before it is initialised. */
void glue_dialog_watch_loaded(void);
/* A message of which nothing is known but the dialog. */
void glue_dialog_message(const struct dlg_cell *dialog, rtpp_message *message);

/* Where a transaction goes on: a route by its number or, where there is a name, a function of KEMI. */
typedef struct glue_target {
	int route;
	const str *function;
} glue_target;

/* engage.c: which dialogs the module looks after by itself. */
/* The script calls rtpproxy_engage. */
void glue_engage_use(void);
void glue_engage_bind(void);
/* `target`: where the transaction goes on that waits, NULL: none does. */
int glue_engage(struct sip_msg *msg, rtpp_bytes flags, rtpp_bytes address, const glue_target *target);
/* A request that has waited goes on, and its offer has failed: where its dialog was engaged for it, it is no more. */
void glue_engage_failed(struct sip_msg *msg);
/* The same where it has been served, by the RTPProxy `node`. */
void glue_engage_served(struct sip_msg *msg, rtpp_bytes node);
int glue_disengage(struct sip_msg *msg);
/* Where the dialog of a message is engaged, `message` names its session, or that of its branch, out of `engagement`. */
void glue_engage_session(struct sip_msg *msg, rtpp_message *message, glue_engagement *engagement);
/* Whether the dialog of a message is engaged, or was until it ended. */
bool glue_is_engaged(struct sip_msg *msg);
/* The same for a function that has nothing to do there then: logged. */
bool glue_is_taken_care_of(struct sip_msg *msg);

/* engaged.c: what becomes of their messages. */
/* Has tm and the core tell of the messages of dialogs; and tm of the replies to the INVITE that begins one. */
bool glue_engage_watch(void);
bool glue_engage_watch_first(struct sip_msg *msg);
/* The RTPProxy that was chosen last in this process, for a message. */
extern rtpp_bytes glue_chosen;
void glue_engagement_lend(glue_engagement *engagement, rtpp_message *message);
/* The INVITE `msg` has no transaction yet: where it has none when the script ends, its dialog does. Takes the dialog. */
void glue_engage_await_transaction(struct dlg_cell *dialog, const struct sip_msg *msg);
/* Asks what a message wants. `target`: where the transaction goes on if it can wait, else NULL. */
int glue_engage_exchange(
		struct dlg_cell *dialog, rtpp_message *message, glue_engagement *engagement, const glue_target *target);
/* Writes down who has the call, as far as that is another one than is known. */
void glue_engage_keep_node(struct dlg_cell *dialog, glue_engagement *engagement, rtpp_bytes node);
/* A message of such a dialog; it has no transaction. */
void glue_engage_pass(struct dlg_cell *dialog, struct sip_msg *msg);

/* ended.c: how they end. */
int glue_engage_init(void);
/* In each process, with what it is for. */
void glue_engage_child(int rank);
void glue_engage_destroy(void);
/* Such a dialog ends, by the request `msg` where it is not NULL. */
void glue_engage_end(struct dlg_cell *dialog, struct sip_msg *msg);
/* Deletes the sessions of forks that are over, but for that of `kept`. */
void glue_engage_end_forks(struct dlg_cell *dialog, const glue_engagement *kept);
void *glue_take_deletion(void);
/* The caller has acknowledged: where it is known who has the call, of several sessions of the forks one stays. */
void glue_engage_settle(struct dlg_cell *dialog);

/* forks.c: branches of the first INVITE that have a session of their own. */
bool glue_fork_begin(struct dlg_cell *dialog, const glue_engagement *engagement, const char *text, size_t length);
bool glue_fork_change(struct dlg_cell *dialog, const glue_engagement *engagement, const char *text, size_t length);
void glue_fork_forget(struct dlg_cell *dialog, const glue_engagement *engagement);
/* Reads what holds for the branch that `engagement` names; false: nothing of its own. */
bool glue_fork_read(struct dlg_cell *dialog, glue_engagement *engagement);
/* Whether both name the same session. */
bool glue_fork_is_same(const glue_engagement *one, const glue_engagement *other);
/* What holds for a reply to the first INVITE, and for another message of the dialog, where it is not the dialog's.
 * false: another one has taken the call, and the branch has no session any more. */
bool glue_fork_of_reply(struct dlg_cell *dialog, const rtpp_message *reply, glue_engagement *engagement);
void glue_fork_of_message(struct dlg_cell *dialog, const rtpp_message *message, glue_engagement *engagement);
/* Whether `word` is one of the words of `text`, and where it begins. */
bool glue_word_at(const char *text, size_t length, rtpp_bytes word, size_t *at);
/* The number of the branch that a Via branch of tm names, -1: none. */
int glue_fork_number(rtpp_bytes branch);
/* A failure route begins: what another one has begun before does not hold for branches from this one on. */
void glue_fork_end(struct dlg_cell *dialog, int branch);
/* The reply `reply` has been taken as that which makes the call; and whether that has been told. */
void glue_fork_taken(struct dlg_cell *dialog, struct sip_msg *reply);
bool glue_fork_is_taken(struct dlg_cell *dialog);
/* The forks are over; false: there were none, or another one has been told so. `kept`: the dialog's from now on, of the
 * one that has taken the call. */
bool glue_fork_close(struct dlg_cell *dialog, glue_engagement *kept);
/* The next session of a fork that is over and is not that of `kept`, forgotten with that; false: there is none. `place`
 * begins with 0. */
bool glue_fork_next(struct dlg_cell *dialog, const glue_engagement *kept, int *place, glue_engagement *out);

/* dmq.c: calls shared with other hosts. -1: the module `dmq` is not there; logged. */
/* When this module is loaded. */
void glue_dmq_look(void);
/* Whether dmq is there, and first, where it is needed; else -1 and a line of the log. */
int glue_dmq_check(void);
int glue_dmq_init(void);
void glue_dmq_broadcast(rtpp_bytes message);
void glue_dmq_send(rtpp_bytes message, rtpp_bytes address, uint64_t tag);

/* lumps.c: edits of the body. */
rtpp_body_state glue_message_body_state(void *context);
bool glue_message_apply(void *context, const rtpp_edit *edits, size_t count);
/* Whether edits of this module that are there are to be replaced, as by those of one branch. */
void glue_message_replace(bool replaces);

/* kept.c: edits that branches of the same request get later. */
typedef struct glue_kept glue_kept;
/* From now on those that are made are kept in `*out`, in shared memory, once; NULL: no longer. */
void glue_keep_edits(glue_kept **out);
/* These have been made. */
void glue_edits_are_made(const struct sip_msg *msg, const char *body, const rtpp_edit *edits, size_t count);
/* Makes them again; false: it is another body, or somebody else has changed it. */
bool glue_make_kept_edits(struct sip_msg *msg, const glue_kept *kept);

/* postponed.c: deletions kept until it is known whether a call goes on. */
int glue_postponed_init(void);
bool glue_postpone(void *context, void *record);
void *glue_take_postponed(void *context);

/* suspend.c: transactions that wait for an asynchronous process. */
#define GLUE_CONTINUATION_SIZE 128
rtpp_suspension glue_suspend(void *context, const void *target, void *continuation);

/* async.c: how they go on. */
rtpp_resumption glue_resume(void *record, void *continuation, rtpp_code code, const rtpp_edit *edits, size_t count,
		rtpp_bytes body, rtpp_bytes instance);
rtpp_resumption glue_resume_again(void *record, void *continuation);

/* resumed.c: the message with which a transaction has just gone on, NULL elsewhere, and what its call came to. */
void glue_resumed_begins(const struct sip_msg *msg, rtpp_code code);
void glue_resumed_ends(void);
const struct sip_msg *glue_resumed_message(void);
rtpp_code glue_resumed_code(void);

/* tm_compat.c: what is known of tm's insides. */
struct cell;
struct tm_binds;
/* Fetches tm's functions; 0: they cannot be had, -1: its structures are not those that this module was built with. */
int glue_tm_bind(struct tm_binds *known);
/* Whether tm's transactions are those of the headers that this module was built with; logs why not. */
bool glue_tm_fits(const struct cell *transaction);
/* Takes a transaction's reply lock; false: another process has it. */
bool glue_tm_try_lock(struct cell *transaction);
void glue_tm_unlock(struct cell *transaction);
/* Whether another process has it just now. */
bool glue_tm_is_locked(struct cell *transaction);
/* Which suspension of its request a transaction has had last, and whether it still waits for that one. */
int glue_tm_suspension(const struct cell *transaction);
bool glue_tm_request_waits(const struct cell *transaction, int suspension);
/* Whether it is cancelled; without the lock. */
bool glue_tm_is_cancelled(const struct cell *transaction);
/* Whether a branch from number `first` on was added and will never be sent. */
bool glue_tm_has_stranded_branch(const struct cell *transaction, int first);
/* Whether the route that runs is one in which a request goes on that had waited, for whatever module, in a request
 * route: the core takes that for a failure route. */
bool glue_tm_is_continued_request(void);
/* What a request has been changed to, in shared memory. */
typedef struct glue_lumps {
	struct lump *headers;
	struct lump *bodies;
	struct lump_rpl *replies;
} glue_lumps;
bool glue_tm_copy_lumps(struct sip_msg *msg, glue_lumps *copy);
/* In the place of those that the transaction's own copy of its request has. */
void glue_tm_give_lumps(struct cell *transaction, const glue_lumps *copy);
/* Puts the clone of a reply where t_suspend would have left one; false: tm has no use for it any more. */
bool glue_tm_put_reply_in(struct cell *transaction, int branch, struct sip_msg *reply, int length);
/* The reverse, where t_continue has not looked at it. */
void glue_tm_take_reply_out(struct cell *transaction, int branch);
bool glue_tm_has_reply(const struct cell *transaction, int branch, const struct sip_msg *reply);
/* Around the route in which a reply goes on. */
void glue_tm_reply_route_begins(struct cell *transaction);
void glue_tm_reply_route_ends(struct cell *transaction, const struct sip_msg *reply);
/* Gives the transaction back what it had before a reply was put in: a wait for another module, a CANCEL, a failure. */
void glue_tm_restore(struct cell *transaction);
/* Whether a 200 to an INVITE that comes once more goes out without any reply route: with the callee's own media. */
bool glue_tm_forwards_copies(void);

/* journal.c: reports for the log, and for journald beside it where that is wanted and there. */
int glue_journal_set_wish(modparam_t type, void *value);
/* Looks whether journald reads standard error, as long as that is what it was at the start. */
void glue_journal_look(void);
int glue_journal_init(void);
/* Reports a fault of a parameter. */
void glue_journal_fault(const char *format, ...) __attribute__((format(printf, 1, 2)));
void glue_journal_report(const rtpp_report *report);

/* events.c: event routes, or the KEMI function of the parameter event_callback. */
int glue_events_set_callback(modparam_t type, void *name);
/* Looks the routes up, once the script is read. -1: one of them never runs; logged. */
int glue_events_init(void);
bool glue_events_have_callback(void);
/* Warns of a callback that the script does not have, in the process that will run it. */
void glue_events_ask(void);
bool glue_event_is_wanted(rtpp_event_kind kind);
/* Whether the script wants an event that the process which watches the RTPProxies raises: any but that of stopped
 * media. */
bool glue_node_events_are_wanted(void);
/* Whether the event has a route; a callback does not count. */
bool glue_event_has_route(rtpp_event_kind kind);
void glue_event_raise(const rtpp_event *event);
/* The event whose route runs, NULL elsewhere. */
const rtpp_event *glue_event_current(void);

/* host.c: tm's functions, NULL where it is not loaded. */
struct tm_binds *glue_tm(void);
/* The transaction of the message that is being processed, NULL where there is none. */
struct cell *glue_current_transaction(void);

/* kemi.c: whether a script of KEMI has a function, as far as its language can be asked. */
bool glue_kemi_has(sip_msg_t *msg, const str *function);
/* Runs the function; if it does not exist, logs its name and the purpose. */
void glue_kemi_run(sip_msg_t *msg, int route_type, str *function, str *event, const char *purpose);

/* check.c: for `kamailio -c`, what of the configuration can be known before anything runs. */
/* If this is `kamailio -c`, checks everything when the process ends. */
void glue_check_at_exit(void);
/* The server starts: looks at parameters that are expressions, which the core does not prepare before a message comes. */
void glue_check_expressions(void);
/* The server starts: there is nothing left for -c. */
void glue_check_is_over(void);
/* Checks, once; ends the process if something is wrong. */
void glue_check(void);
/* Where the line of the configuration stands that is being read. */
rtpp_bytes glue_place(void);

/* fixups.c: the parameters of script functions, prepared when the script is read. */
int glue_fixup_set(void **param, int param_no);
int glue_fixup_prompt(void **param, int param_no);
int glue_fixup_offer(void **param, int param_no);
int glue_fixup_answer(void **param, int param_no);
int glue_fixup_manage(void **param, int param_no);
int glue_fixup_destroy(void **param, int param_no);
int glue_fixup_engage(void **param, int param_no);
int glue_fixup_engage_async(void **param, int param_no);
int glue_fixup_disengage(void **param, int param_no);
int glue_fixup_offer_async(void **param, int param_no);
int glue_fixup_answer_async(void **param, int param_no);
int glue_fixup_manage_async(void **param, int param_no);
int glue_fixup_destroy_async(void **param, int param_no);
/* Whether the script has a call of set_rtp_proxy_set. */
bool glue_chooses_sets(void);
/* Whether it writes out all its flags. */
bool glue_knows_flags(void);
void glue_flags_are_unknown(void);

/* script.c */
extern cmd_export_t glue_commands[];
extern sr_kemi_t glue_kemi_exports[];

/* counters.c: the group "rtpproxy" of Kamailio's counters. */
int glue_counters_init(void);
/* Adds to a counter: a word of this process's own. Before glue_counters_init it does nothing. */
void glue_count(size_t counter, uint32_t amount);
/* Those that count go back to 0; figures of the moment stay. */
void glue_counters_reset(void);
/* All of the group by position, for those that show them: the value, and the name in `*name`. */
size_t glue_counters_count(void);
uint64_t glue_counters_value(size_t position, char **name);

/* version.c: which module this is; the commit is empty where the build knew none. */
const char *glue_version(void);
const char *glue_commit(void);
const char *glue_built_for(void);
/* All of it in one line of the log. */
void glue_log_version(void);

/* rpc.c, pvar.c */
extern rpc_export_t glue_rpc[];
extern pv_export_t glue_variables[];

/* db.c: whether `url` names a database module that is loaded; 0, or -1 with the reason logged. */
int glue_db_check(const char *url);
/* Loads the sets from `url`; 0, or -1 with the reason logged and in glue_db_fault. */
int glue_db_load(const char *url, const char *table);
const char *glue_db_fault(void);

/* module.c: loads the sets as configured, at start-up and again. */
int glue_load_pool(void);
/* Whether it is known which sets there are: those of a database are once it has been read. */
bool glue_knows_sets(void);
/* Checks all parameters together; 0, or -1 with each fault logged. */
int glue_check_parameters(void);
/* Whether the script hands the module dmq its messages: once it has been looked at. */
bool glue_calls_dmq(void);
/* Warns of settings that have no effect. */
void glue_check_uses(bool knows_nodes);

static inline rtpp_bytes glue_bytes_of(const str *text)
{
	rtpp_bytes bytes = {NULL, 0};

	if(text != NULL && text->s != NULL && text->len >= 0) {
		bytes.data = (const uint8_t *)text->s;
		bytes.length = (size_t)text->len;
	}
	return bytes;
}

static inline rtpp_bytes glue_bytes_of_cstring(const char *text)
{
	rtpp_bytes bytes = {(const uint8_t *)text, text != NULL ? strlen(text) : 0};

	return bytes;
}

#endif
