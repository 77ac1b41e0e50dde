/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How engaged dialogs end, and the sessions of their forks: RTPProxy is told where no lock is held, when dialog tells of it.
 * What happens in a process that must not wait for an answer, as the timer's, is left to the module's own. */

#include "glue.h"

/* Whether this process takes SIP messages: others must not be kept. */
static bool is_worker = false;

/* --- deletions that are left to the module's own process --- */

/* In shared memory: those that wait, the last one first. The first word of a record is for whoever has it. */
static void **left = NULL;

static void leave(void *record)
{
	void *head = __atomic_load_n(left, __ATOMIC_RELAXED);

	do {
		*(void **)record = head;
	} while(!__atomic_compare_exchange_n(left, &head, record, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

void *glue_take_deletion(void)
{
	/* Those that this process, the only one that takes any, has taken all together. */
	static void *taken = NULL;
	void *record;

	if(taken == NULL && left != NULL)
		taken = __atomic_exchange_n(left, NULL, __ATOMIC_ACQUIRE);
	record = taken;
	if(record != NULL) {
		taken = *(void **)record;
		*(void **)record = NULL;
	}
	return record;
}

/* --- ends --- */

/* Deletes one session, or leaves that to the module's own process. */
static void end_one(rtpp_message *message, glue_engagement *engagement)
{
	void *record;

	glue_engagement_lend(engagement, message);
	if(is_worker) {
		rtpp_end_engagement(glue_instance, message);
	} else {
		record = rtpp_end_engagement_later(glue_instance, message);
		if(record != NULL)
			leave(record);
	}
}

/* Deletes the sessions of forks that are over, but for that of `kept`. */
void glue_engage_end_forks(struct dlg_cell *dlg, const glue_engagement *kept)
{
	glue_engagement other;
	rtpp_message message;
	int place = 0;

	while(glue_fork_next(dlg, kept, &place, &other)) {
		glue_dialog_message(dlg, &message);
		/* It is that of one branch alone. */
		message.to_tag.data = NULL;
		message.to_tag.length = 0;
		end_one(&message, &other);
	}
}

void glue_engage_end(struct dlg_cell *dlg, struct sip_msg *msg)
{
	glue_engagement engagement, unused;
	rtpp_message message;

	/* Of all who come to know of the end, one deletes. */
	if(!glue_dialog_engagement(dlg, &engagement) || !glue_dialog_end(dlg))
		return;
	if(glue_fork_close(dlg, &unused))
		glue_engage_end_forks(dlg, &engagement);
	if(msg != NULL)
		glue_message_init(&message, msg);
	else
		glue_dialog_message(dlg, &message);
	end_one(&message, &engagement);
}

void glue_engage_settle(struct dlg_cell *dlg)
{
	glue_engagement engagement, kept;
	rtpp_message message;

	/* Where two have answered at once, dialog may not have told yet whose call it is. */
	if(!glue_fork_is_taken(dlg))
		return;
	if(!glue_dialog_engagement(dlg, &engagement) || !glue_dialog_engagement(dlg, &kept) || !glue_fork_close(dlg, &kept))
		return;
	/* The dialog's own session was that of other branches, and where it has ended meanwhile nobody deletes the one. */
	if(kept.fork >= 0) {
		bool goes_on = glue_dialog_change(dlg, kept.text, kept.length);

		glue_fork_forget(dlg, &kept);
		if(!goes_on || !glue_fork_is_same(&engagement, &kept)) {
			glue_dialog_message(dlg, &message);
			message.to_tag.data = NULL;
			message.to_tag.length = 0;
			end_one(&message, goes_on ? &engagement : &kept);
		}
	}
	glue_engage_end_forks(dlg, &kept);
}

/* --- life cycle --- */

int glue_engage_init(void)
{
	/* What waits for the module's own process stays as long as the server. */
	left = shm_malloc(sizeof(*left));
	if(left == NULL) {
		SHM_MEM_ERROR;
		return -1;
	}
	*left = NULL;
	return 0;
}

void glue_engage_destroy(void)
{
	void *record;

	if(left == NULL)
		return;
	while((record = glue_take_deletion()) != NULL)
		shm_free(record);
	shm_free(left);
	left = NULL;
}

void glue_engage_child(int rank)
{
	is_worker = rank > 0;
}
