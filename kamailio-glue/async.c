/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Transactions that wait for RTPProxy: how they are suspended, and how they go on.
 *
 * Requests are suspended by tm's t_suspend. Replies are not: tm 5.6 remembers one suspended branch per transaction and
 * drops whatever other reply comes meanwhile, final ones too. Here each reply is a clone of its own until it goes on;
 * tm only sees this one message as suspended, and every other reply takes its ordinary way. When a reply goes on, the
 * transaction is, under its reply lock, made to look as t_suspend would have left it, and t_continue does the rest. */

#include "glue.h"

#include "modules/tm/tm_load.h"

#include "modules/tm/lock.h"
#include "modules/tm/sip_msg.h"

/* What is noted of a transaction. */
typedef struct continuation {
	unsigned int hash_index;
	unsigned int label;
	int branch;			   /* of a reply; -1: it is a request */
	struct sip_msg *reply; /* the clone of a reply, in shared memory */
	int reply_length;
	int route;		   /* index in main_rt; -1: a KEMI function */
	char function[64]; /* its name, terminated */
	void *record;	   /* that this stands in, once it goes on */
} continuation;

_Static_assert(sizeof(continuation) <= RTPP_CONTINUATION_SIZE, "RTPP_CONTINUATION_SIZE is too small");

/* --- suspending --- */

static int target_route = -1;
static str target_function = {NULL, 0};

void rtpp_async_target(int route, const str *function)
{
	target_route = route;
	target_function.s = function != NULL ? function->s : NULL;
	target_function.len = function != NULL ? function->len : 0;
}

static bool note_target(continuation *next)
{
	next->route = target_route;
	next->function[0] = '\0';
	if(target_route >= 0)
		return true;
	if(target_function.s == NULL || target_function.len <= 0 || target_function.len >= (int)sizeof(next->function))
		return false;
	memcpy(next->function, target_function.s, target_function.len);
	next->function[target_function.len] = '\0';
	return true;
}

static rtpp_suspension suspend_request(struct tm_binds *tm, struct sip_msg *msg, continuation *next)
{
	struct cell *transaction = tm->t_gett();
	int route = get_route_type();

	/* Elsewhere tm is in the middle of something, and takes no notice. */
	if(route != REQUEST_ROUTE && route != FAILURE_ROUTE) {
		LM_ERR("a request can wait in a request route or a failure_route only\n");
		return RTPP_NOT_SUSPENDED;
	}
	if(transaction == NULL || transaction == T_UNDEFINED) {
		int created = tm->t_newtran(msg);

		if(created == 0)
			return RTPP_RETRANSMISSION;
		if(created < 0) {
			LM_ERR("no transaction can be made for this request\n");
			return RTPP_NOT_SUSPENDED;
		}
	}
	next->branch = -1;
	if(tm->t_suspend(msg, &next->hash_index, &next->label) != 0) {
		LM_WARN("the transaction cannot wait: it has been answered or cancelled\n");
		return RTPP_NOT_SUSPENDED;
	}
	return RTPP_SUSPENDED;
}

static rtpp_suspension suspend_reply(struct tm_binds *tm, struct sip_msg *msg, continuation *next)
{
	struct cell *transaction = tm->t_gett();

	if(get_route_type() != TM_ONREPLY_ROUTE || transaction == NULL || transaction == T_UNDEFINED) {
		LM_ERR("a reply can wait in an onreply_route of its transaction only\n");
		return RTPP_NOT_SUSPENDED;
	}
	if(msg == rtpp_resumed_message()) {
		LM_ERR("a reply that has waited cannot wait again\n");
		return RTPP_NOT_SUSPENDED;
	}
	next->branch = tm->t_gett_branch();
	if(next->branch < 0 || next->branch >= transaction->nr_of_outgoings) {
		LM_ERR("the reply belongs to no branch of its transaction\n");
		return RTPP_NOT_SUSPENDED;
	}
	next->reply = sip_msg_shm_clone(msg, &next->reply_length, 1);
	if(next->reply == NULL) {
		SHM_MEM_ERROR;
		return RTPP_NOT_SUSPENDED;
	}
	next->reply->flags = msg->flags;
	next->hash_index = transaction->hash_index;
	next->label = transaction->label;
	/* tm leaves it at that, for this reply. */
	msg->msg_flags |= FL_RPL_SUSPENDED;
	return RTPP_SUSPENDED;
}

rtpp_suspension rtpp_suspend(void *context, void *memory)
{
	struct tm_binds *tm = rtpp_tm();
	struct sip_msg *msg = context;
	continuation *next = memory;

	memset(next, 0, sizeof(*next));
	if(tm == NULL) {
		LM_ERR("the tm module is not loaded\n");
		return RTPP_NOT_SUSPENDED;
	}
	if(!note_target(next)) {
		LM_ERR("no name of a function of 1 to %zu characters to go on with\n", sizeof(next->function) - 1);
		return RTPP_NOT_SUSPENDED;
	}
	return msg->first_line.type == SIP_REQUEST ? suspend_request(tm, msg, next) : suspend_reply(tm, msg, next);
}

/* --- going on --- */

/* What a request has been changed to, in shared memory. */
typedef struct lumps {
	struct lump *headers;
	struct lump *bodies;
	struct lump_rpl *replies;
} lumps;

/* What goes on just now in this process. */
static struct {
	const continuation *next;
	const rtpp_edit *edits;
	size_t count;
	rtpp_bytes body;
	rtpp_bytes instance;
	rtpp_code code;
	struct sip_msg *msg; /* while its route runs */
	bool has_run;
	bool was_cancelled;
	bool has_changes; /* of a request */
	lumps changes;
} current;

const struct sip_msg *rtpp_resumed_message(void)
{
	return current.msg;
}

rtpp_code rtpp_resumed_code(void)
{
	return current.code;
}

/* Branches that a failure route adds later are made of the transaction's own copy of the request, which gets the changes
 * of a request route when that first forwards, but none of a route that goes on. So it gets them here. */
static bool copy_lumps(struct sip_msg *msg, lumps *copy)
{
	memset(copy, 0, sizeof(*copy));
	/* What tm has added for the branch just sent is no change of the script's. */
	free_via_clen_lump(&msg->add_rm);
	return msg_lump_cloner(msg, &copy->headers, &copy->bodies, &copy->replies) == 0;
}

/* Under the transaction's reply lock: nobody else looks at its request meanwhile. */
static void give_lumps(struct sip_msg *request, const lumps *copy)
{
	/* All three are in one block, which begins with the first of them. */
	void *old = request->add_rm;

	if(old == NULL)
		old = request->body_lumps;
	if(old == NULL)
		old = request->reply_lump;
	request->add_rm = copy->headers;
	request->body_lumps = copy->bodies;
	request->reply_lump = copy->replies;
	if(old != NULL)
		shm_free(old);
}

/* Makes the edits, if they are of this message: tm keeps requests as they were when their transaction was made, and the
 * script may have put another body in since. */
static bool apply(struct sip_msg *msg)
{
	rtpp_message message;

	rtpp_message_init(&message, msg);
	if(message.body.length != current.body.length
			|| memcmp(message.body.data, current.body.data, current.body.length) != 0) {
		LM_ERR("the body was changed after the transaction had been made: the SDP stays as it is\n");
		return false;
	}
	return current.count == 0 || rtpp_message_apply(msg, current.edits, current.count);
}

/* The first thing that a continued transaction does: the edits are made, then its route runs. */
static int go_on(struct sip_msg *msg, char *unused1, char *unused2)
{
	struct tm_binds *tm = rtpp_tm();
	struct cell *transaction = tm->t_gett();
	int route_type = get_route_type();
	str function = {(char *)current.next->function, (int)strlen(current.next->function)};
	str event = {"rtpproxy:async", 14};
	rtpp_message message;

	(void)unused1, (void)unused2;
	current.has_run = true;
	if(current.code == 1 && !apply(msg))
		current.code = -1;
	if(current.instance.length > 0)
		rtpp_message_set_instance(msg, current.instance);
	if(current.was_cancelled)
		transaction->flags |= T_CANCELED;
	if(current.next->branch >= 0)
		set_route_type(TM_ONREPLY_ROUTE);
	current.msg = msg;
	rtpp_message_init(&message, msg);
	rtpp_goes_on(rtpp_instance, &message, current.next->record);
	if(current.next->route >= 0) {
		struct run_act_ctx context;

		init_run_actions_ctx(&context);
		run_actions(&context, main_rt.rlist[current.next->route], msg);
	} else {
		sr_kemi_eng_t *engine = sr_kemi_eng_get();

		if(engine == NULL || sr_kemi_route(engine, msg, get_route_type(), &function, &event) < 0)
			LM_ERR("the function \"%.*s\" cannot be run\n", function.len, function.s);
	}
	current.msg = NULL;
	set_route_type(route_type);
	if(current.next->branch < 0 && transaction->uas.request != NULL)
		current.has_changes = copy_lumps(msg, &current.changes);
	return 0;
}

/* tm's reply lock: recursive, by process. */
static void lock_replies(struct cell *transaction)
{
	if(atomic_get(&transaction->reply_locker_pid) != my_pid()) {
		lock(&transaction->reply_mutex);
		atomic_set(&transaction->reply_locker_pid, my_pid());
	} else {
		transaction->reply_rec_lock_level++;
	}
}

static void unlock_replies(struct cell *transaction)
{
	if(transaction->reply_rec_lock_level == 0) {
		atomic_set(&transaction->reply_locker_pid, 0);
		unlock(&transaction->reply_mutex);
	} else {
		transaction->reply_rec_lock_level--;
	}
}

/* Puts the clone of a reply where t_suspend would have left one. */
static bool put_reply_in(struct cell *transaction, const continuation *next)
{
	struct ua_client *branch = &transaction->uac[next->branch];

	/* A branch that has its final reply already wants no other. */
	if(branch->reply != NULL)
		return false;
	next->reply->msg_flags |= FL_RPL_SUSPENDED;
	branch->reply = next->reply;
	branch->end_reply = (char *)next->reply + next->reply_length;
	transaction->async_backup.backup_route = TM_ONREPLY_ROUTE;
	transaction->async_backup.backup_branch = next->branch;
	/* A 2xx that has crossed a CANCEL is relayed all the same. */
	current.was_cancelled = (transaction->flags & T_CANCELED) != 0;
	transaction->flags &= ~T_CANCELED;
	transaction->flags |= T_ASYNC_SUSPENDED;
	return true;
}

static void take_reply_out(struct cell *transaction, const continuation *next)
{
	transaction->flags &= ~T_ASYNC_SUSPENDED;
	if(current.was_cancelled)
		transaction->flags |= T_CANCELED;
	transaction->uac[next->branch].reply = NULL;
	transaction->uac[next->branch].end_reply = NULL;
}

/* The reply lock is held from before tm looks until the changes are where tm will look for them. */
static void run(struct tm_binds *tm, const continuation *next, struct action *action)
{
	struct cell *previous = tm->t_gett(), *transaction;
	int previous_branch = tm->t_gett_branch();
	bool is_reply_used = false;

	if(tm->t_lookup_ident(&transaction, next->hash_index, next->label) >= 0) {
		lock_replies(transaction);
		if(next->branch < 0) {
			if(transaction->flags & T_ASYNC_SUSPENDED)
				tm->t_continue(next->hash_index, next->label, action);
			if(current.has_changes)
				give_lumps(transaction->uas.request, &current.changes);
		} else if(put_reply_in(transaction, next)) {
			/* Also where the transaction only waits for retransmissions: tm relays those of a 2xx to the end. */
			tm->t_continue_skip_timer(next->hash_index, next->label, action);
			is_reply_used = current.has_run;
			if(!is_reply_used)
				take_reply_out(transaction, next);
		}
		unlock_replies(transaction);
		tm->unref_cell(transaction);
	}
	tm->t_sett(previous, previous_branch);
	if(next->reply != NULL && !is_reply_used)
		sip_msg_free(next->reply);
}

static rtpp_resumption resume_here(const continuation *next, rtpp_code code, const rtpp_edit *edits, size_t count,
		rtpp_bytes body, rtpp_bytes instance)
{
	static ksr_cmd_export_t command = {"rtpproxy_go_on", go_on, 0, 0, 0, ANY_ROUTE, 0, NULL};
	struct tm_binds *tm = rtpp_tm();
	struct action action;
	bool is_applied;

	memset(&action, 0, sizeof(action));
	action.cfile = "rtpproxy";
	action.rname = "rtpproxy_go_on";
	action.type = MODULE0_T;
	action.val[0].type = MODEXP_ST;
	action.val[0].u.data = &command;
	action.val[1].type = NUMBER_ST;

	memset(&current, 0, sizeof(current));
	current.next = next;
	current.edits = edits;
	current.count = count;
	current.body = body;
	current.instance = instance;
	current.code = code;
	run(tm, next, &action);
	is_applied = current.code == code;
	current.next = NULL;
	return current.has_run && is_applied ? RTPP_TAKEN : RTPP_GONE;
}

/* --- in a worker of the core's --- */

/* What another process needs to go on with, one block of shared memory. */
typedef struct task {
	async_task_t base;
	void *record;
	const continuation *next;
	rtpp_code code;
	size_t count;
	rtpp_bytes body;
	rtpp_bytes instance;
	rtpp_edit edits[];
} task;

static void run_task(void *memory)
{
	task *work = memory;

	rtpp_resumed(rtpp_instance, work->record,
			resume_here(work->next, work->code, work->edits, work->count, work->body, work->instance));
}

static bool push_task(void *record, const continuation *next, rtpp_code code, const rtpp_edit *edits, size_t count,
		rtpp_bytes body, rtpp_bytes instance)
{
	size_t size = sizeof(task) + count * sizeof(rtpp_edit) + instance.length;
	uint8_t *text;
	task *work;
	size_t i;

	for(i = 0; i < count; i++)
		size += edits[i].text.length;
	work = shm_malloc(size);
	if(work == NULL)
		return false;
	memset(work, 0, sizeof(*work));
	work->base.exec = run_task;
	work->base.param = work;
	work->record = record;
	work->next = next;
	work->code = code;
	work->count = count;
	work->body = body;
	text = (uint8_t *)&work->edits[count];
	for(i = 0; i < count; i++) {
		work->edits[i] = edits[i];
		work->edits[i].text.data = text;
		if(edits[i].text.length > 0)
			memcpy(text, edits[i].text.data, edits[i].text.length);
		text += edits[i].text.length;
	}
	work->instance.data = text;
	work->instance.length = instance.length;
	if(instance.length > 0)
		memcpy(text, instance.data, instance.length);
	/* The worker frees it when it has run it. */
	if(async_task_push(&work->base) >= 0)
		return true;
	shm_free(work);
	return false;
}

rtpp_resumption rtpp_resume(void *record, void *memory, rtpp_code code, const rtpp_edit *edits, size_t count,
		rtpp_bytes body, rtpp_bytes instance)
{
	continuation *next = memory;

	next->record = record;
	if(rtpp_async_in_workers(rtpp_instance) && push_task(record, next, code, edits, count, body, instance))
		return RTPP_HANDED_OVER;
	return resume_here(next, code, edits, count, body, instance);
}
