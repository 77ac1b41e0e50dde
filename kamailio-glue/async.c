/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How transactions go on that have waited for RTPProxy: here and now, or in a worker of the core's. suspend.c has
 * suspended them, and says in what state. */

#include "continuation.h"

#include "modules/tm/tm_load.h"

#include "modules/tm/sip_msg.h"

/* What a transaction is to go on with. */
typedef struct outcome {
	rtpp_code code;
	const rtpp_edit *edits;
	size_t count;
	rtpp_bytes body;
	rtpp_bytes instance;
} outcome;

/* The transaction that goes on just now in this process. */
static struct {
	const continuation *next;
	outcome outcome;
	bool has_run;
	bool has_changes; /* of a request */
	glue_lumps changes;
} current;

/* Makes the edits, if they are of this message: tm keeps requests as they were when their transaction was made, and the
 * script may have put another body in since. */
static bool apply(struct sip_msg *msg)
{
	rtpp_message message;

	glue_message_init(&message, msg);
	if(message.body.length != current.outcome.body.length
			|| memcmp(message.body.data, current.outcome.body.data, message.body.length) != 0) {
		LM_ERR("the body was changed after the transaction had been made: the SDP stays as it is\n");
		return false;
	}
	return current.outcome.count == 0 || glue_message_apply(msg, current.outcome.edits, current.outcome.count);
}

static void run_route(struct sip_msg *msg)
{
	str function = {(char *)current.next->function, (int)strlen(current.next->function)};
	str event = {"rtpproxy:async", 14};
	int route_type = get_route_type();
	rtpp_message message;

	if(current.next->branch >= 0)
		set_route_type(TM_ONREPLY_ROUTE);
	glue_resumed_begins(msg, current.outcome.code);
	glue_message_init(&message, msg);
	rtpp_goes_on(glue_instance, &message, current.next->record);
	if(current.next->route >= 0) {
		struct run_act_ctx context;

		init_run_actions_ctx(&context);
		run_actions(&context, main_rt.rlist[current.next->route], msg);
	} else {
		glue_kemi_run(msg, get_route_type(), &function, &event, "a transaction that has waited");
	}
	glue_resumed_ends();
	set_route_type(route_type);
}

/* The first thing that a continued transaction does: the edits are made, then its route runs. */
static int go_on(struct sip_msg *msg, char *unused1, char *unused2)
{
	struct tm_binds *tm = glue_tm();
	struct cell *transaction = tm->t_gett();
	int branches = transaction->nr_of_outgoings;

	(void)unused1, (void)unused2;
	current.has_run = true;
	if(current.outcome.code == 1 && !apply(msg))
		current.outcome.code = -1;
	if(current.outcome.instance.length > 0)
		glue_message_set_instance(msg, current.outcome.instance);
	if(current.next->branch >= 0) {
		glue_tm_reply_route_begins(transaction);
		run_route(msg);
		glue_tm_reply_route_ends(transaction, msg);
		return 0;
	}
	if(current.outcome.code < 0)
		glue_engage_failed(msg);
	else
		glue_engage_served(msg, current.outcome.instance);
	run_route(msg);
	if(glue_tm_has_stranded_branch(transaction, branches))
		tm->t_reply(msg, 487, "Request Terminated");
	if(transaction->uas.request != NULL)
		current.has_changes = glue_tm_copy_lumps(msg, &current.changes);
	return 0;
}

/* Whether tm has taken the reply: then it belongs to tm, and may be freed already. */
static bool continue_reply(
		struct tm_binds *tm, struct cell *transaction, const continuation *next, struct action *action)
{
	bool is_taken = false;
	int i;

	/* A CANCEL sets its flag without the lock, and t_continue skips a cancelled transaction: try again. */
	for(i = 0; i < 3 && !is_taken; i++) {
		if(!glue_tm_put_reply_in(transaction, next->branch, next->reply, next->reply_length))
			return false;
		tm->t_continue_skip_timer(next->hash_index, next->label, action);
		is_taken = current.has_run || !glue_tm_has_reply(transaction, next->branch, next->reply);
		if(!is_taken)
			glue_tm_take_reply_out(transaction, next->branch);
		glue_tm_restore(transaction);
	}
	return is_taken;
}

/* Holds the reply lock from before tm reads the transaction until the changes are where tm will read them. Another
 * process may hold the lock for as long as its route takes: without `can_wait` that is not waited for. */
static rtpp_resumption run(struct tm_binds *tm, const continuation *next, struct action *action, bool can_wait)
{
	struct cell *previous = tm->t_gett(), *transaction;
	int previous_branch = tm->t_gett_branch();
	bool is_held_up = false, is_reply_taken = false;

	if(tm->t_lookup_ident(&transaction, next->hash_index, next->label) >= 0) {
		while(!glue_tm_try_lock(transaction)) {
			is_held_up = !can_wait;
			if(is_held_up)
				break;
			sleep_us(1000);
		}
		if(!is_held_up) {
			if(next->branch >= 0)
				is_reply_taken = continue_reply(tm, transaction, next, action);
			else if(glue_tm_request_waits(transaction, next->suspension))
				tm->t_continue(next->hash_index, next->label, action);
			if(current.has_changes)
				glue_tm_give_lumps(transaction, &current.changes);
			glue_tm_unlock(transaction);
		}
		tm->unref_cell(transaction);
	}
	tm->t_sett(previous, previous_branch);
	if(is_held_up)
		return RTPP_HELD_UP;
	if(next->reply != NULL && !is_reply_taken)
		sip_msg_free(next->reply);
	return current.has_run ? RTPP_TAKEN : RTPP_GONE;
}

static rtpp_resumption resume_here(const continuation *next, const outcome *outcome, bool can_wait)
{
	static ksr_cmd_export_t command = {"rtpproxy_go_on", go_on, 0, 0, 0, ANY_ROUTE, 0, NULL};
	struct action action;
	rtpp_resumption resumption;

	memset(&action, 0, sizeof(action));
	action.cfile = "rtpproxy";
	action.rname = "rtpproxy_go_on";
	action.type = MODULE0_T;
	action.val[0].type = MODEXP_ST;
	action.val[0].u.data = &command;
	action.val[1].type = NUMBER_ST;

	memset(&current, 0, sizeof(current));
	current.next = next;
	current.outcome = *outcome;
	resumption = run(glue_tm(), next, &action, can_wait);
	current.next = NULL;
	/* The edits could not be made. */
	if(resumption == RTPP_TAKEN && current.outcome.code != outcome->code)
		return RTPP_GONE;
	return resumption;
}

/* --- later, or in a worker of the core's --- */

/* All of it, one block of shared memory. */
typedef struct task {
	void *record;
	continuation *next;
	outcome outcome;
	rtpp_edit edits[];
} task;

static rtpp_bytes copy_bytes(uint8_t **memory, rtpp_bytes bytes)
{
	rtpp_bytes copy = {*memory, bytes.length};

	if(bytes.length > 0)
		memcpy(*memory, bytes.data, bytes.length);
	*memory += bytes.length;
	return copy;
}

/* The body is the record's, and lives as long. */
static task *make_task(void *record, continuation *next, const outcome *outcome)
{
	size_t size = sizeof(task) + outcome->count * sizeof(rtpp_edit) + outcome->instance.length;
	uint8_t *text;
	task *work;
	size_t i;

	for(i = 0; i < outcome->count; i++)
		size += outcome->edits[i].text.length;
	work = shm_malloc(size);
	if(work == NULL)
		return NULL;
	work->record = record;
	work->next = next;
	work->outcome = *outcome;
	work->outcome.edits = work->edits;
	text = (uint8_t *)&work->edits[outcome->count];
	for(i = 0; i < outcome->count; i++) {
		work->edits[i] = outcome->edits[i];
		work->edits[i].text = copy_bytes(&text, outcome->edits[i].text);
	}
	work->outcome.instance = copy_bytes(&text, outcome->instance);
	next->task = work;
	return work;
}

/* Runs the task and frees it, unless its transaction is held up. */
static rtpp_resumption run_task(task *work, bool can_wait)
{
	rtpp_resumption resumption = resume_here(work->next, &work->outcome, can_wait);

	if(resumption != RTPP_HELD_UP)
		shm_free(work);
	return resumption;
}

static void run_in_worker(void *memory)
{
	task *work = memory;
	void *record = work->record;
	rtpp_resumption resumption = run_task(work, false);

	if(resumption == RTPP_HELD_UP) {
		if(rtpp_held_up(glue_instance, record))
			return;
		resumption = run_task(work, true);
	}
	rtpp_resumed(glue_instance, record, resumption);
}

static bool push_task(task *work)
{
	/* The worker frees it when it has run it. */
	async_task_t *job = shm_malloc(sizeof(*job));

	if(job == NULL)
		return false;
	memset(job, 0, sizeof(*job));
	job->exec = run_in_worker;
	job->param = work;
	if(async_task_push(job) >= 0)
		return true;
	shm_free(job);
	return false;
}

/* Whether another process holds the transaction just now. */
static bool is_held_up(const continuation *next)
{
	struct tm_binds *tm = glue_tm();
	struct cell *previous = tm->t_gett(), *transaction;
	int previous_branch = tm->t_gett_branch();
	bool result = false;

	if(tm->t_lookup_ident(&transaction, next->hash_index, next->label) >= 0) {
		result = glue_tm_is_locked(transaction);
		tm->unref_cell(transaction);
	}
	tm->t_sett(previous, previous_branch);
	return result;
}

rtpp_resumption glue_resume(void *record, void *memory, rtpp_code code, const rtpp_edit *edits, size_t count,
		rtpp_bytes body, rtpp_bytes instance)
{
	continuation *next = memory;
	outcome outcome = {code, edits, count, body, instance};
	rtpp_resumption resumption;

	next->record = record;
	if(rtpp_async_in_workers(glue_instance)) {
		task *work = make_task(record, next, &outcome);

		if(work == NULL)
			return resume_here(next, &outcome, true);
		return push_task(work) ? RTPP_HANDED_OVER : run_task(work, false);
	}
	resumption = resume_here(next, &outcome, false);
	if(resumption == RTPP_HELD_UP && make_task(record, next, &outcome) == NULL)
		resumption = resume_here(next, &outcome, true);
	return resumption;
}

rtpp_resumption glue_resume_again(void *record, void *memory)
{
	continuation *next = memory;

	(void)record;
	if(!rtpp_async_in_workers(glue_instance))
		return run_task(next->task, false);
	if(is_held_up(next))
		return RTPP_HELD_UP;
	return push_task(next->task) ? RTPP_HANDED_OVER : run_task(next->task, false);
}
