/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How transactions are suspended that wait for RTPProxy. async.c lets them go on.
 *
 * Requests are suspended by tm's t_suspend. Replies are not: tm 5.6 remembers one suspended branch per transaction and
 * drops whatever other reply comes meanwhile, final ones too. Here each reply is a clone of its own until it goes on;
 * tm only sees this one message as suspended, and every other reply takes its ordinary way. When a reply goes on, the
 * transaction is, under its reply lock, made to look as t_suspend would have left it, and t_continue does the rest. */

#include "continuation.h"

#include "modules/tm/tm_load.h"

#include "modules/tm/sip_msg.h"

static bool note_target(continuation *next, const glue_target *target)
{
	const str *function = target->function;

	next->route = target->route;
	next->function[0] = '\0';
	if(function == NULL)
		return target->route >= 0;
	next->route = -1;
	if(function->s == NULL || function->len <= 0 || function->len >= (int)sizeof(next->function))
		return false;
	memcpy(next->function, function->s, function->len);
	next->function[function->len] = '\0';
	return true;
}

static rtpp_suspension suspend_request(struct tm_binds *tm, struct sip_msg *msg, continuation *next)
{
	struct cell *transaction = tm->t_gett();
	int route = get_route_type();

	/* In other routes tm is in the middle of its own work and does not suspend. */
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
	if(!glue_tm_fits(tm->t_gett()))
		return RTPP_NOT_SUSPENDED;
	next->branch = -1;
	if(tm->t_suspend(msg, &next->hash_index, &next->label) != 0) {
		/* The CANCEL came first: forwarding the INVITE now would leave branches that are never sent. If tm answers it at
		 * this moment, too, this answer has no effect. */
		if(glue_tm_is_cancelled(tm->t_gett())) {
			tm->t_reply(msg, 487, "Request Terminated");
			return RTPP_RETRANSMISSION;
		}
		LM_WARN("the transaction cannot wait: it has been answered or cancelled\n");
		return RTPP_NOT_SUSPENDED;
	}
	next->suspension = glue_tm_suspension(tm->t_gett());
	return RTPP_SUSPENDED;
}

static rtpp_suspension suspend_reply(struct tm_binds *tm, struct sip_msg *msg, continuation *next)
{
	struct cell *transaction = tm->t_gett();

	if(get_route_type() != TM_ONREPLY_ROUTE || transaction == NULL || transaction == T_UNDEFINED) {
		LM_ERR("a reply can wait in an onreply_route of its transaction only\n");
		return RTPP_NOT_SUSPENDED;
	}
	if(!glue_tm_fits(transaction))
		return RTPP_NOT_SUSPENDED;
	if(msg == glue_resumed_message()) {
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

rtpp_suspension glue_suspend(void *context, const void *target, void *memory)
{
	struct tm_binds *tm = glue_tm();
	struct sip_msg *msg = context;
	continuation *next = memory;

	memset(next, 0, sizeof(*next));
	if(tm == NULL) {
		LM_ERR("asynchronous functions need the module tm, which is not loaded\n");
		return RTPP_NOT_SUSPENDED;
	}
	if(target == NULL || !note_target(next, target)) {
		LM_ERR("the name of the callback must be 1 to %zu bytes\n", sizeof(next->function) - 1);
		return RTPP_NOT_SUSPENDED;
	}
	return msg->first_line.type == SIP_REQUEST ? suspend_request(tm, msg, next) : suspend_reply(tm, msg, next);
}
