/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is known of tm's insides: its reply lock, how it notes that a transaction waits, and what it has taken away when
 * the transaction goes on. The caller holds the reply lock, unless a comment says otherwise. */

#include "glue.h"

#include <stdlib.h>

#include "modules/tm/tm_load.h"

#include "modules/tm/lock.h"

#include "core/globals.h"
#include "core/sr_module.h"

#define OTHER_HEADERS                                                                                               \
	"is not that of the headers that this module was built with: build it with the sources of this very Kamailio, " \
	"make KAMAILIO_SRC=TREE\n"

#define FIELD(type, name) (((type *)NULL)->name)
#define HAS_TYPE(field, type) __builtin_types_compatible_p(__typeof__(field), type)

_Static_assert(HAS_TYPE(FIELD(struct cell, reply_mutex), gen_lock_t), "the reply lock is one that can be tried");
_Static_assert(HAS_TYPE(FIELD(struct cell, reply_locker_pid), atomic_t), "the reply lock's owner");
_Static_assert(HAS_TYPE(FIELD(struct cell, reply_rec_lock_level), int), "the reply lock's depth");
_Static_assert(HAS_TYPE(FIELD(struct cell, async_backup), struct async_state), "what t_suspend notes");
_Static_assert(HAS_TYPE(FIELD(struct ua_client, reply), struct sip_msg *), "the reply that a branch stores");
_Static_assert(((unsigned short)-1 & T_ASYNC_SUSPENDED) == T_ASYNC_SUSPENDED, "the flags' width");

/* --- whether tm is the one of the headers --- */

/* Two states of one source tree have the same version and may have other structures: then a reply that has waited would
 * be lost without a word, or memory be overwritten. tm's table of functions is looked at when it is fetched, a
 * transaction before the first one waits. (tm has a function that makes a transaction; calling that to have one to look
 * at leaves the process's lists of AVPs in it.) */

#define UNTOUCHED 0xa5

/* With room for a table that is longer than the headers say. */
static union {
	struct tm_binds known;
	unsigned char bytes[sizeof(struct tm_binds) + 1024];
} functions;

static bool is_untouched(size_t first, size_t end)
{
	while(first < end && functions.bytes[first] == UNTOUCHED)
		first++;
	return first == end;
}

int glue_tm_bind(struct tm_binds *known)
{
	memset(functions.bytes, UNTOUCHED, sizeof(functions.bytes));
	if(load_tm_api(&functions.known) != 0) {
		LM_WARN("tm is loaded, but cannot be bound: transactions are not recognised\n");
		return 0;
	}
	if(is_untouched(sizeof(functions.known) - sizeof(void (*)(void)), sizeof(functions.known))
			|| !is_untouched(sizeof(functions.known), sizeof(functions.bytes))) {
		LM_ERR("the table of functions of the running tm " OTHER_HEADERS);
		return -1;
	}
	*known = functions.known;
	return 1;
}

/* The branches name the transaction. In 5.6.3 and 6.0.1 they stand right behind it, in the same block, whose size tells
 * its own; in a block of their own they are in shared memory all the same. */
static bool is_as_in_headers(const struct cell *transaction)
{
	const size_t size = sizeof(*transaction) + MD5_LEN;
	const long distance = (const char *)transaction->uac - (const char *)transaction;
	unsigned int i;

	if(transaction->uas.response.my_T != transaction || labs(distance) >= (long)shm_mem_size)
		return false;
	if(distance > 0 && distance < (long)(2 * size) && distance != (long)size)
		return false;
	for(i = 0; i < sr_dst_max_branches; i++) {
		const struct ua_client *branch = &transaction->uac[i];

		if(branch->request.my_T != transaction || branch->request.branch != i
				|| branch->local_cancel.my_T != transaction || branch->local_cancel.branch != i)
			return false;
	}
	return true;
}

bool glue_tm_fits(const struct cell *transaction)
{
	/* In this process. */
	static bool is_known = false;

	if(!is_known && transaction != NULL)
		is_known = is_as_in_headers(transaction);
	if(!is_known)
		LM_ERR("a transaction of the running tm " OTHER_HEADERS);
	return is_known;
}

/* --- the reply lock: recursive, by process --- */

bool glue_tm_try_lock(struct cell *transaction)
{
	if(atomic_get(&transaction->reply_locker_pid) == my_pid()) {
		transaction->reply_rec_lock_level++;
		return true;
	}
	if(lock_try(&transaction->reply_mutex) != 0)
		return false;
	atomic_set(&transaction->reply_locker_pid, my_pid());
	return true;
}

bool glue_tm_is_locked(struct cell *transaction)
{
	int owner = atomic_get(&transaction->reply_locker_pid);

	return owner != 0 && owner != my_pid();
}

void glue_tm_unlock(struct cell *transaction)
{
	if(transaction->reply_rec_lock_level == 0) {
		atomic_set(&transaction->reply_locker_pid, 0);
		unlock(&transaction->reply_mutex);
	} else {
		transaction->reply_rec_lock_level--;
	}
}

/* --- requests --- */

/* Every t_suspend of a request adds a branch that stands for the wait: its number tells one suspension from another. */
int glue_tm_suspension(const struct cell *transaction)
{
	return (int)transaction->async_backup.blind_uac;
}

bool glue_tm_request_waits(const struct cell *transaction, int suspension)
{
	if(!(transaction->flags & T_ASYNC_SUSPENDED) || (transaction->flags & T_CANCELED))
		return false;
	if(transaction->uas.request == NULL || transaction->uas.status >= 200)
		return false;
	/* Its own time is over, or another module has suspended the transaction since. */
	return transaction->async_backup.backup_route != TM_ONREPLY_ROUTE && glue_tm_suspension(transaction) == suspension
		   && suspension >= 0 && suspension < transaction->nr_of_outgoings
		   && transaction->uac[suspension].last_received == 0;
}

bool glue_tm_is_cancelled(const struct cell *transaction)
{
	return (transaction->flags & T_CANCELED) != 0;
}

/* Where a CANCEL comes while a route adds branches, tm sends none of those that are not yet sent, and leaves them
 * without a timer: nothing would ever end them. */
bool glue_tm_has_stranded_branch(const struct cell *transaction, int first)
{
	int i;

	if(transaction->uas.status >= 200)
		return false;
	for(i = first; i < transaction->nr_of_outgoings; i++) {
		const struct ua_client *branch = &transaction->uac[i];

		if(branch->request.buffer != NULL && branch->request.fr_expire == 0 && branch->last_received == 0)
			return true;
	}
	return false;
}

/* Without taking the lock: the process that runs such a route holds it. */
bool glue_tm_is_continued_request(void)
{
	struct cell *transaction = glue_current_transaction();

	return transaction != NULL && (transaction->flags & T_ASYNC_CONTINUE)
		   && transaction->async_backup.backup_route == REQUEST_ROUTE;
}

/* Branches that a failure route adds later are made of the transaction's own copy of the request, which gets the changes
 * of a request route when that first forwards, but none of a route that goes on. So it gets them here. */
bool glue_tm_copy_lumps(struct sip_msg *msg, glue_lumps *copy)
{
	memset(copy, 0, sizeof(*copy));
	/* What tm has added for the branch just sent is not a change of the script. */
	free_via_clen_lump(&msg->add_rm);
	return msg_lump_cloner(msg, &copy->headers, &copy->bodies, &copy->replies) == 0;
}

void glue_tm_give_lumps(struct cell *transaction, const glue_lumps *copy)
{
	struct sip_msg *request = transaction->uas.request;
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

/* --- replies --- */

/* What a transaction had before a reply was put in. */
static struct {
	bool is_suspended; /* for another module */
	bool is_cancelled;
	struct async_state state;
	struct ua_client *branch;
	struct sip_msg *reply; /* a failure that the branch stores */
	char *end_reply;
} before;

/* Whether tm could still do something with a reply of this branch. */
static bool takes_reply(const struct cell *transaction, int number, int status)
{
	const struct ua_client *branch;

	if(number < 0 || number >= transaction->nr_of_outgoings)
		return false;
	branch = &transaction->uac[number];
	if(branch->request.my_T != transaction)
		return false;
	/* tm relays each 2xx to an INVITE to the end: where that is answered and only waits for retransmissions, and where
	 * the branch was given up in the meantime. */
	if(status >= 200 && is_invite(transaction))
		return true;
	return transaction->uas.status < 200 && branch->last_received < 200;
}

bool glue_tm_put_reply_in(struct cell *transaction, int number, struct sip_msg *reply, int length)
{
	struct ua_client *branch;

	if(!takes_reply(transaction, number, (int)reply->REPLY_STATUS))
		return false;
	before.state = transaction->async_backup;
	before.is_suspended = (transaction->flags & T_ASYNC_SUSPENDED) != 0;
	/* A 2xx that has crossed a CANCEL is relayed all the same. */
	before.is_cancelled = (transaction->flags & T_CANCELED) != 0;
	branch = &transaction->uac[number];
	before.branch = branch;
	before.reply = branch->reply;
	before.end_reply = branch->end_reply;
	reply->msg_flags |= FL_RPL_SUSPENDED;
	branch->reply = reply;
	branch->end_reply = (char *)reply + length;
	transaction->async_backup.backup_route = TM_ONREPLY_ROUTE;
	transaction->async_backup.backup_branch = number;
	transaction->flags &= ~T_CANCELED;
	transaction->flags |= T_ASYNC_SUSPENDED;
	return true;
}

void glue_tm_reply_route_begins(struct cell *transaction)
{
	if(before.is_cancelled)
		transaction->flags |= T_CANCELED;
	/* t_continue reads this before it takes the lock: it has to see the other suspension while a route runs. */
	if(before.is_suspended)
		transaction->flags |= T_ASYNC_SUSPENDED;
}

void glue_tm_reply_route_ends(struct cell *transaction, const struct sip_msg *reply)
{
	/* tm relays nothing that is suspended; but somebody may have suspended this reply anew. */
	if(reply->msg_flags & FL_RPL_SUSPENDED)
		before.is_suspended = false;
	else if(before.is_suspended)
		transaction->flags &= ~T_ASYNC_SUSPENDED;
}

void glue_tm_take_reply_out(struct cell *transaction, int number)
{
	transaction->flags &= ~T_ASYNC_SUSPENDED;
	transaction->uac[number].reply = NULL;
}

bool glue_tm_has_reply(const struct cell *transaction, int number, const struct sip_msg *reply)
{
	return transaction->uac[number].reply == reply;
}

void glue_tm_restore(struct cell *transaction)
{
	if(before.branch->reply == NULL) {
		before.branch->reply = before.reply;
		before.branch->end_reply = before.end_reply;
	}
	if(before.is_cancelled)
		transaction->flags |= T_CANCELED;
	if(before.is_suspended) {
		transaction->async_backup = before.state;
		transaction->flags |= T_ASYNC_SUSPENDED;
	}
}

/* --- settings --- */

/* From Kamailio 6.1.4 on, where this is not 0, tm looks for no transaction of a 200 that comes once more. */
bool glue_tm_forwards_copies(void)
{
	struct sr_module *tm = find_module_by_name("tm");
	modparam_t type = 0;
	const int *matching = tm != NULL ? find_param_export(tm, "reply_matching", PARAM_INT, &type) : NULL;

	return matching != NULL && !(type & PARAM_USE_FUNC) && *matching != 0;
}
