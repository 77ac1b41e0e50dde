/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rtpproxy_engage and rtpproxy_disengage: which dialogs the module takes to RTPProxy by itself, and with what. What
 * becomes of their messages is in engaged.c. */

#include "glue.h"

#include "modules/tm/tm_load.h"

/* Whether the script calls the function, or may: nobody can look into one of KEMI. */
static bool is_used = false;
/* Whether tm tells of requests: from before the fork on, or never. */
static bool is_watching = false;

/* INVITE without a to-tag. */
static bool is_first_invite(struct sip_msg *msg)
{
	return msg->first_line.type == SIP_REQUEST && msg->REQ_METHOD == METHOD_INVITE
		   && parse_headers(msg, HDR_TO_F, 0) >= 0 && msg->to != NULL && parse_to_header(msg) == 0
		   && get_to(msg) != NULL && get_to(msg)->tag_value.len <= 0;
}

/* Whether an ended dialog is that of `msg`: dialog may still have it when the call's next INVITE comes, as one with
 * credentials does behind a challenge. */
static bool is_of_ended(struct dlg_cell *dlg, struct sip_msg *msg)
{
	rtpp_message message;

	if(!glue_dialog_has_ended(dlg))
		return false;
	if(!is_first_invite(msg))
		return true;
	glue_message_init(&message, msg);
	return glue_dialog_was_begun_by(dlg, message.via1_branch);
}

static bool is_engaged(struct sip_msg *msg)
{
	struct dlg_cell *dlg = glue_dialog_of(msg);
	bool result = dlg != NULL && (glue_dialog_is_engaged(dlg) || is_of_ended(dlg, msg));

	glue_dialog_return(dlg);
	return result;
}

/* A first INVITE whose dialog is engaged: the same once more, or another one of the call, forked before this proxy. For
 * dialog that is no other dialog, and tm tells nothing of its replies. */
static int again(struct dlg_cell *dlg, const rtpp_message *message)
{
	if(glue_dialog_was_begun_by(dlg, message->via1_branch))
		return 1;
	LM_ERR("rtpproxy_engage: call %.*s has been forked before this proxy, and one of its INVITEs is engaged: "
		   "such calls take rtpproxy_offer and rtpproxy_answer\n",
			(int)message->call_id.length, (const char *)message->call_id.data);
	return -1;
}

/* What `text` says holds for the dialog of `msg` from now on, and its description is offered. */
static int begin(struct sip_msg *msg, rtpp_message *message, const char *text, size_t length, const glue_target *target)
{
	glue_engagement engagement;
	struct dlg_cell *dlg;
	int code = -1;

	/* Before dialog does the same: its callback, which tells which dialog a reply is of, runs first then. */
	if(!glue_engage_watch_first(msg)) {
		LM_ERR("rtpproxy_engage: tm cannot tell of the replies\n");
		return -1;
	}
	dlg = glue_dialog_begin(msg);
	if(dlg == NULL) {
		LM_ERR("rtpproxy_engage: dialog makes no dialog of this INVITE\n");
		return -1;
	}
	/* Another process has begun it at this moment. */
	if(glue_dialog_is_engaged(dlg)) {
		code = again(dlg, message);
		glue_dialog_return(dlg);
		return code;
	}
	if(!glue_dialog_watch(dlg) || !glue_dialog_engage(dlg, text, length, message->via1_branch))
		LM_ERR("rtpproxy_engage: no memory for the dialog\n");
	else if(glue_dialog_engagement(dlg, &engagement))
		code = glue_engage_exchange(dlg, message, &engagement, target);
	if(code < 0)
		glue_dialog_disengage(dlg);
	if(code > 0 && glue_current_transaction() == NULL)
		glue_engage_await_transaction(dlg, msg);
	else
		glue_dialog_return(dlg);
	return code;
}

/* The same for one branch, as in a branch route, or for those that a failure route adds: they get a session of their own
 * where the dialog's is another one. */
static int begin_fork(struct dlg_cell *dlg, rtpp_message *message, rtpp_bytes flags, rtpp_bytes address)
{
	struct cell *transaction = glue_current_transaction();
	bool is_of_later = !(get_route_type() & BRANCH_ROUTE);
	glue_engagement engagement, own;
	char text[GLUE_ENGAGEMENT_SIZE], branch[128];
	size_t length = 0;
	int code;

	/* tm does not tell of the replies of another INVITE. */
	if(!glue_dialog_was_begun_by(dlg, message->via1_branch))
		return again(dlg, message);
	if(!glue_dialog_engagement(dlg, &engagement))
		return -1;
	own.is_of_later = is_of_later;
	own.fork = is_of_later ? transaction != NULL ? transaction->nr_of_outgoings : -1
						   : glue_fork_number(message->own_branch);
	if(own.fork < 0) {
		LM_ERR("rtpproxy_engage: tm does not say which branch this is\n");
		return -1;
	}
	if(own.fork >= (int)sr_dst_max_branches) {
		LM_ERR("rtpproxy_engage: the transaction takes no more branches\n");
		return -1;
	}
	/* The branches that come have no name yet. */
	if(is_of_later) {
		int count = snprintf(branch, sizeof(branch), "%.*s.%d", (int)message->via1_branch.length,
				message->via1_branch.data != NULL ? (const char *)message->via1_branch.data : "", own.fork);

		if(count < 0 || (size_t)count >= sizeof(branch))
			return -1;
		message->own_branch.data = (const uint8_t *)branch;
		message->own_branch.length = (size_t)count;
	}
	message->route = RTPP_ROUTE_OTHER;
	code = rtpp_engage(glue_instance, message, flags, address, false, (uint8_t *)text, sizeof(text), &length);
	if(code != 1)
		return code;
	/* That is the dialog's. */
	if(length == engagement.read.length && memcmp(text, engagement.text, length) == 0)
		return 1;
	if(glue_fork_read(dlg, &own))
		return 1;
	code = rtpp_engage(glue_instance, message, flags, address, true, (uint8_t *)text, sizeof(text), &length);
	if(code != 1)
		return code;
	if(!glue_fork_begin(dlg, &own, text, length) || !glue_fork_read(dlg, &own)) {
		LM_ERR("rtpproxy_engage: no memory for the dialog\n");
		return -1;
	}
	glue_message_replace(true);
	code = glue_engage_exchange(dlg, message, &own, NULL);
	glue_message_replace(false);
	/* Then the branch has what the dialog has. */
	if(code < 0) {
		glue_fork_forget(dlg, &own);
		if(is_of_later)
			glue_fork_end(dlg, own.fork);
	}
	return code;
}

int glue_engage(struct sip_msg *msg, rtpp_bytes flags, rtpp_bytes address, const glue_target *target)
{
	char text[GLUE_ENGAGEMENT_SIZE];
	rtpp_message message;
	struct dlg_cell *dlg;
	size_t length = 0;
	bool is_of_fork;
	int code;

	if(glue_tm() == NULL || !glue_dialog_is_bound()) {
		LM_ERR("rtpproxy_engage: the modules tm and dialog have to be loaded\n");
		return -1;
	}
	if(!is_watching) {
		LM_ERR("rtpproxy_engage: call it by name in kamailio.cfg or in the script of cfgengine: no other call is known "
			   "at start, when tm is asked to tell of the dialog's requests\n");
		return -1;
	}
	if(!is_first_invite(msg))
		return -1;
	glue_message_init(&message, msg);
	dlg = glue_dialog_of(msg);
	is_of_fork = message.route != RTPP_ROUTE_OTHER || (get_route_type() & BRANCH_ROUTE);
	if(dlg != NULL && glue_dialog_is_engaged(dlg) && (!is_of_fork || target == NULL)) {
		code = is_of_fork ? begin_fork(dlg, &message, flags, address) : again(dlg, &message);
		glue_dialog_return(dlg);
		return code;
	}
	glue_dialog_return(dlg);
	/* There it would be known of one branch alone; and what such a route does cannot wait. */
	if(is_of_fork) {
		LM_ERR("rtpproxy_engage: to be called in a request route%s, before t_relay()\n",
				target == NULL ? " first" : " where the transaction is to wait");
		return -1;
	}
	code = rtpp_engage(glue_instance, &message, flags, address, false, (uint8_t *)text, sizeof(text), &length);
	return code == 1 ? begin(msg, &message, text, length, target) : code;
}

int glue_disengage(struct sip_msg *msg)
{
	struct dlg_cell *dlg = is_used ? glue_dialog_of(msg) : NULL;
	bool is_known = false, was_engaged = false;
	glue_engagement kept;

	if(dlg != NULL) {
		is_known = glue_dialog_engagement(dlg, &kept);
		was_engaged = glue_dialog_disengage(dlg);
	}
	/* Nobody else deletes those of branches that have not taken the call. */
	if(was_engaged && is_known && glue_fork_close(dlg, &kept))
		glue_engage_end_forks(dlg, &kept);
	glue_dialog_return(dlg);
	return was_engaged ? 1 : -1;
}

void glue_engage_session(struct sip_msg *msg, rtpp_message *message, glue_engagement *engagement)
{
	struct dlg_cell *dlg = is_used ? glue_dialog_of(msg) : NULL;

	if(dlg != NULL && glue_dialog_engagement(dlg, engagement)) {
		engagement->read.from_callee = glue_dialog_is_from_callee(dlg, message);
		glue_fork_of_message(dlg, message, engagement);
		glue_engagement_lend(engagement, message);
	}
	glue_dialog_return(dlg);
}

void glue_engage_served(struct sip_msg *msg, rtpp_bytes node)
{
	struct dlg_cell *dlg = is_used ? glue_dialog_of(msg) : NULL;
	glue_engagement engagement;

	if(dlg != NULL && glue_dialog_engagement(dlg, &engagement))
		glue_engage_keep_node(dlg, &engagement, node);
	glue_dialog_return(dlg);
}

void glue_engage_failed(struct sip_msg *msg)
{
	struct dlg_cell *dlg = is_used ? glue_dialog_of(msg) : NULL;

	if(dlg != NULL)
		glue_dialog_disengage(dlg);
	glue_dialog_return(dlg);
}

bool glue_is_engaged(struct sip_msg *msg)
{
	return is_used && is_engaged(msg);
}

bool glue_is_taken_care_of(struct sip_msg *msg)
{
	if(!glue_is_engaged(msg))
		return false;
	LM_WARN("this dialog is engaged: rtpproxy_engage does all that its messages need, and no other function does\n");
	return true;
}

/* --- life cycle --- */

void glue_engage_use(void)
{
	is_used = true;
}

void glue_engage_bind(void)
{
	if(sr_kemi_eng_get() != NULL)
		is_used = true;
	if(!is_used || glue_tm() == NULL || !glue_dialog_is_bound())
		return;
	is_watching = glue_engage_watch();
	if(!is_watching)
		LM_ERR("nobody can tell of requests: no dialog is engaged\n");
}
