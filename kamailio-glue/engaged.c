/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of the messages of engaged dialogs: they are taken to RTPProxy by callbacks of tm and dialog.
 *
 * The exchange with RTPProxy is where no lock is held: for replies TMCB_RESPONSE_IN, for requests of the dialog when tm
 * forwards them, and for an ACK, which has no transaction. */

#include "glue.h"

#include "core/script_cb.h"

#include "modules/tm/tm_load.h"

/* --- what passes --- */

/* Gives a message the engagement of its dialog. */
void glue_engagement_lend(glue_engagement *engagement, rtpp_message *message)
{
	message->engagement = &engagement->read;
	if(engagement->read.branch.data != NULL) {
		message->via1_branch = engagement->read.branch;
		message->via2_branch = engagement->read.branch;
		message->own_branch = engagement->read.branch;
	}
}

/* Writes down who has the call, as far as that is another one than is known. */
void glue_engage_keep_node(struct dlg_cell *dlg, glue_engagement *engagement, rtpp_bytes node)
{
	rtpp_bytes known = {(const uint8_t *)engagement->text, engagement->length};
	char text[GLUE_ENGAGEMENT_SIZE];
	size_t length;

	if(node.length == 0 || rtpp_engagement_at(known, node, (uint8_t *)text, sizeof(text), &length) != RTPP_OK)
		return;
	if(!(engagement->fork < 0 ? glue_dialog_change(dlg, text, length)
							  : glue_fork_change(dlg, engagement, text, length)))
		LM_DBG("the RTPProxy of an engaged dialog is not written down\n");
}

/* `target`: where the transaction goes on if it can wait, else NULL. */
int glue_engage_exchange(
		struct dlg_cell *dlg, rtpp_message *message, glue_engagement *engagement, const glue_target *target)
{
	bool awaited;
	int code;

	/* Each early dialog has its own, by the tag of who answers the INVITE: its replies and the PRACK name that last. */
	awaited = engagement->read.awaits_prack = glue_dialog_awaits_prack(dlg, message->to_tag);
	glue_engagement_lend(engagement, message);
	engagement->read.from_callee = glue_dialog_is_from_callee(dlg, message);
	message->target = target;
	if(target != NULL)
		return rtpp_engaged_async(glue_instance, message);
	glue_chosen.length = 0;
	code = rtpp_engaged(glue_instance, message);
	if(engagement->read.awaits_prack != awaited)
		glue_dialog_await_prack(dlg, message->to_tag, engagement->read.awaits_prack);
	if(code > 0)
		glue_engage_keep_node(dlg, engagement, glue_chosen);
	return code;
}

/* `is_of_first`: a reply to the INVITE that has begun the dialog. */
static void pass_on(struct dlg_cell *dlg, struct sip_msg *msg, bool is_of_first)
{
	glue_engagement engagement;
	rtpp_message message;

	if(!glue_dialog_engagement(dlg, &engagement))
		return;
	/* One that another host has given to dialog tells of nothing yet, an ACK say. */
	if(!glue_dialog_watch(dlg))
		LM_ERR("no memory to look after a dialog of another host\n");
	glue_message_init(&message, msg);
	/* Where tm tells of a reply, no route of its own runs; what is set is left from before. */
	if(!message.is_request)
		message.route = RTPP_ROUTE_OTHER;
	engagement.read.from_callee = glue_dialog_is_from_callee(dlg, &message);
	if(!is_of_first)
		glue_fork_of_message(dlg, &message, &engagement);
	else if(!glue_fork_of_reply(dlg, &message, &engagement))
		return;
	glue_engage_exchange(dlg, &message, &engagement, NULL);
}

void glue_engage_pass(struct dlg_cell *dlg, struct sip_msg *msg)
{
	/* An ACK shows to the module itself, and to dialog, where it comes along the recorded route. */
	static struct {
		unsigned int id;
		int pid;
	} last;

	if(msg->first_line.type == SIP_REQUEST && msg->REQ_METHOD == METHOD_ACK) {
		if(last.id == msg->id && last.pid == msg->pid)
			return;
		last.id = msg->id;
		last.pid = msg->pid;
	}
	pass_on(dlg, msg, false);
}

/* Before the script has it: it has no transaction, and dialog does not tell of one that another host has given it. */
static int on_ack(struct sip_msg *msg, unsigned int flags, void *param)
{
	struct dlg_cell *dlg;
	char *body;

	(void)flags, (void)param;
	if(msg == NULL || msg->first_line.type != SIP_REQUEST || msg->REQ_METHOD != METHOD_ACK)
		return 1;
	body = get_body(msg);
	if(body == NULL || body >= msg->buf + msg->len)
		return 1;
	dlg = glue_dialog_of(msg);
	if(dlg != NULL)
		glue_engage_pass(dlg, msg);
	glue_dialog_return(dlg);
	return 1;
}

/* --- INVITEs without a transaction --- */

/* The last one of this process that was engaged before it had a transaction, and whether tm has told of one. */
static struct {
	struct dlg_cell *dialog;
	unsigned int id;
	bool has_transaction;
} awaited;

void glue_engage_await_transaction(struct dlg_cell *dlg, const struct sip_msg *msg)
{
	glue_dialog_return(awaited.dialog);
	awaited.dialog = dlg;
	awaited.id = msg->id;
	awaited.has_transaction = false;
}

/* Refused by a stateless reply, or dropped: nothing else tells of its end. */
static int on_script_end(struct sip_msg *msg, unsigned int flags, void *param)
{
	struct dlg_cell *dlg = awaited.dialog;

	(void)msg, (void)flags, (void)param;
	if(dlg == NULL)
		return 1;
	awaited.dialog = NULL;
	if(!awaited.has_transaction)
		glue_engage_end(dlg, NULL);
	glue_dialog_return(dlg);
	return 1;
}

/* --- tm --- */

static void on_reply(struct tmcb_params *params, bool is_of_first)
{
	/* A script may have tried more than once. */
	static struct {
		unsigned int id;
		int pid;
	} last;
	struct sip_msg *reply = params != NULL ? params->rpl : NULL;
	struct dlg_cell *dlg;

	if(reply == NULL || reply == FAKED_REPLY || reply->first_line.type != SIP_REPLY)
		return;
	if(last.id == reply->id && last.pid == reply->pid)
		return;
	last.id = reply->id;
	last.pid = reply->pid;
	dlg = glue_dialog_of(reply);
	if(dlg == NULL)
		return;
	pass_on(dlg, reply, is_of_first);
	glue_dialog_return(dlg);
}

/* Of the INVITE that has begun the dialog. */
static void on_first_reply(struct cell *transaction, int type, struct tmcb_params *params)
{
	(void)transaction, (void)type;
	on_reply(params, true);
}

bool glue_engage_watch_first(struct sip_msg *msg)
{
	return glue_tm()->register_tmcb(msg, NULL, TMCB_RESPONSE_IN, on_first_reply, NULL, NULL) > 0;
}

/* What is kept with a request that has been sent on as it came: later branches go on so. */
static char as_it_came;

static void release_kept(void *kept)
{
	if(kept != NULL && kept != &as_it_came)
		shm_free(kept);
}

/* Whether a failure route sends it on: the reply lock is held there, or a timer runs, and nobody is asked. */
static bool is_of_failure(void)
{
	return (get_route_type() & (FAILURE_ROUTE | BRANCH_FAILURE_ROUTE)) && !glue_tm_is_continued_request();
}

/* A branch of a request that may carry a description. `kept`: where the transaction has what its first one was changed
 * to. */
static void forward(struct dlg_cell *dlg, struct sip_msg *request, void **kept)
{
	void *before = kept != NULL ? __atomic_load_n(kept, __ATOMIC_ACQUIRE) : NULL, *none = NULL;
	glue_kept *made = NULL;
	char *body;

	if(!glue_dialog_is_engaged(dlg))
		return;
	if(before != NULL && before != &as_it_came && glue_make_kept_edits(request, before))
		return;
	if(before != NULL || is_of_failure()) {
		body = get_body(request);
		if(body != NULL && body < request->buf + request->len)
			LM_WARN("a request within an engaged dialog is sent on once more, and not with what it was first changed "
					"to: its media go past RTPProxy\n");
		return;
	}
	glue_keep_edits(&made);
	glue_engage_pass(dlg, request);
	glue_keep_edits(NULL);
	if(kept == NULL
			|| !__atomic_compare_exchange_n(kept, &none, made != NULL ? (void *)made : (void *)&as_it_came, false,
					__ATOMIC_RELEASE, __ATOMIC_RELAXED))
		release_kept(made);
}

static void on_forwarding(struct cell *transaction, int type, struct tmcb_params *params)
{
	struct sip_msg *request = params != NULL ? params->req : NULL;
	struct dlg_cell *dlg;

	(void)transaction, (void)type;
	if(request == NULL || request->first_line.type != SIP_REQUEST)
		return;
	dlg = glue_dialog_of(request);
	if(dlg == NULL)
		return;
	if(request->REQ_METHOD == METHOD_BYE) {
		/* That of one fork: the INVITE's end tells what becomes of the call. */
		if(!glue_dialog_is_early(dlg))
			glue_engage_end(dlg, request);
	} else {
		forward(dlg, request, params->param);
	}
	glue_dialog_return(dlg);
}

static void on_reply_or_forwarding(struct cell *transaction, int type, struct tmcb_params *params)
{
	if(type & TMCB_RESPONSE_IN)
		on_reply(params, false);
	else
		on_forwarding(transaction, type, params);
}

/* Under the lock of tm's table: nothing is asked here. */
static void on_request(struct cell *transaction, int type, struct tmcb_params *params)
{
	struct sip_msg *request = params != NULL ? params->req : NULL;
	int types = TMCB_REQUEST_FWDED | TMCB_RESPONSE_IN;
	struct dlg_cell *dlg;

	(void)type;
	if(request == NULL || transaction == NULL || request->first_line.type != SIP_REQUEST)
		return;
	if(request->id == awaited.id)
		awaited.has_transaction = true;
	switch(request->REQ_METHOD) {
		case METHOD_INVITE:
		case METHOD_UPDATE:
		case METHOD_PRACK:
			break;
		case METHOD_BYE:
			/* Where dialog has told of the end, its variable is gone; of a dialog of another host it does not. */
			types = TMCB_REQUEST_FWDED;
			break;
		default:
			return;
	}
	if(parse_headers(request, HDR_TO_F, 0) < 0 || request->to == NULL || parse_to_header(request) != 0
			|| get_to(request) == NULL || get_to(request)->tag_value.len <= 0)
		return;
	dlg = glue_dialog_of(request);
	if(dlg == NULL)
		return;
	if(glue_dialog_is_engaged(dlg)
			&& glue_tm()->register_tmcb(request, transaction, types, on_reply_or_forwarding, NULL, release_kept) <= 0)
		LM_ERR("a request of an engaged dialog cannot be looked after: its media go past RTPProxy\n");
	glue_dialog_return(dlg);
}

/* Before a failure route runs, or one of a branch: the description is again that with which the INVITE was sent on. */
static int on_failure_route(struct sip_msg *msg, unsigned int flags, void *param)
{
	struct cell *transaction = glue_current_transaction();
	rtpp_message message;
	struct dlg_cell *dlg;

	(void)flags, (void)param;
	/* Not where one goes on that was suspended. */
	if(transaction == NULL || !is_invite(transaction) || (transaction->flags & T_ASYNC_CONTINUE))
		return 1;
	dlg = glue_dialog_of(msg);
	if(dlg != NULL && glue_dialog_is_engaged(dlg)) {
		glue_message_init(&message, msg);
		if(glue_dialog_was_begun_by(dlg, message.via1_branch))
			glue_fork_end(dlg, transaction->nr_of_outgoings);
	}
	glue_dialog_return(dlg);
	return 1;
}

bool glue_engage_watch(void)
{
	return glue_tm()->register_tmcb(NULL, NULL, TMCB_REQUEST_IN, on_request, NULL, NULL) > 0
		   && register_script_cb(on_ack, PRE_SCRIPT_CB | REQUEST_CB, NULL) == 0
		   && register_script_cb(on_script_end, POST_SCRIPT_CB | REQUEST_CB, NULL) == 0
		   && register_script_cb(on_failure_route, PRE_SCRIPT_CB | FAILURE_CB | BRANCH_FAILURE_CB, NULL) == 0;
}
