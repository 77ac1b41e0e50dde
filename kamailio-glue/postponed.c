/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Deletions that a failure route has asked for: kept with the transaction until it shows whether the call goes on.
 *
 * They are due when the route has ended without another destination, or when a failure has been sent to the caller; a
 * call that another destination takes does not need them. A transaction keeps one at most. */

#include "glue.h"

#include "core/script_cb.h"

#include "modules/tm/tm_load.h"

/* What tm keeps for us with a transaction, in shared memory. */
typedef struct kept {
	void *record; /* NULL: none. The process that takes it out owns it */
	int branches; /* how many the transaction had then */
} kept;

static void *take(kept *own)
{
	return __atomic_exchange_n(&own->record, NULL, __ATOMIC_ACQ_REL);
}

static void carry_out(kept *own)
{
	void *record = take(own);

	if(record != NULL)
		rtpp_delete_postponed(glue_instance, record);
}

static void release(void *memory)
{
	void *record = take((kept *)memory);

	if(record != NULL)
		shm_free(record);
	shm_free(memory);
}

/* tm has sent a reply to the caller. */
static void after_reply(struct cell *transaction, int type, struct tmcb_params *params)
{
	kept *own = *params->param;
	void *record;

	(void)transaction, (void)type;
	if(params->code >= 300)
		carry_out(own);
	else if(params->code >= 200 && (record = take(own)) != NULL)
		shm_free(record);
}

static kept *kept_of(const struct cell *transaction)
{
	const struct tm_callback *callback = (const struct tm_callback *)transaction->tmcb_hl.first;

	for(; callback != NULL; callback = callback->next) {
		if(callback->callback == after_reply)
			return callback->param;
	}
	return NULL;
}

bool glue_postpone(void *context, void *record)
{
	struct cell *transaction = glue_current_transaction();
	kept *own;
	void *former;

	(void)context;
	if(transaction == NULL || !is_invite(transaction) || transaction->uas.status >= 200)
		return false;
	own = kept_of(transaction);
	if(own == NULL) {
		own = shm_malloc(sizeof(*own));
		if(own == NULL) {
			SHM_MEM_ERROR;
			return false;
		}
		memset(own, 0, sizeof(*own));
		if(glue_tm()->register_tmcb(NULL, transaction, TMCB_RESPONSE_OUT, after_reply, own, release) <= 0) {
			shm_free(own);
			return false;
		}
	}
	own->branches = transaction->nr_of_outgoings;
	former = __atomic_exchange_n(&own->record, record, __ATOMIC_ACQ_REL);
	if(former != NULL)
		shm_free(former);
	return true;
}

void *glue_take_postponed(void *context)
{
	struct cell *transaction = glue_current_transaction();
	kept *own = transaction != NULL ? kept_of(transaction) : NULL;

	(void)context;
	return own != NULL ? take(own) : NULL;
}

/* Whether a destination that was added since may still take the call. */
static bool goes_on(const struct cell *transaction, const kept *own)
{
	int branch;

	/* The route waits, for this module or another one. */
	if(transaction->flags & T_ASYNC_SUSPENDED)
		return true;
	if(transaction->uas.status >= 200)
		return false;
	for(branch = own->branches; branch < transaction->nr_of_outgoings; branch++) {
		if(transaction->uac[branch].request.buffer != NULL && transaction->uac[branch].last_received < 200)
			return true;
	}
	return false;
}

static int after_failure_route(struct sip_msg *msg, unsigned int flags, void *unused)
{
	struct cell *transaction = glue_current_transaction();
	kept *own = transaction != NULL ? kept_of(transaction) : NULL;

	(void)msg, (void)flags, (void)unused;
	if(own != NULL && !goes_on(transaction, own))
		carry_out(own);
	return 1;
}

int glue_postponed_init(void)
{
	return register_script_cb(after_failure_route, POST_SCRIPT_CB | FAILURE_CB, NULL);
}
