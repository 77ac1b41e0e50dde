/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dialogs of the module `dialog`: the call that a made-up message of its event routes is about, and those that this
 * module looks after. What is known of dialog's insides stands here.
 *
 * That a dialog is looked after is one variable of it, which says how (rtpp_engage writes it); it survives a restart and
 * dialog's replication. Who deletes it ends the dialog for this module: only one does. A second one has the tags of those
 * who have made an offer in a 1xx reply, which the PRACK to them answers. A third one is the Via branch of the INVITE that
 * began it, and a fourth one says that this module has ended it: what comes of it afterwards is still of a dialog that is
 * engaged. Those of forks are in forks.c. */

#include "glue.h"

#include "core/fmsg.h"
#include "core/trim.h"

#include "modules/dialog/dlg_load.h"

#include "modules/dialog/dlg_hash.h"

#define FIELD(type, name) (((type *)NULL)->name)
#define HAS_TYPE(field, type) __builtin_types_compatible_p(__typeof__(field), type)

_Static_assert(HAS_TYPE(FIELD(struct dlg_cell, callid), str), "a dialog's Call-ID");
_Static_assert(HAS_TYPE(FIELD(struct dlg_cell, tag), str[2]), "a dialog's tags");
_Static_assert(HAS_TYPE(FIELD(struct dlg_cell, cbs), struct dlg_head_cbl), "a dialog's callbacks");

static struct dlg_binds dialog;
static bool is_bound = false;
static cmd_function manage = NULL;

#define LONGEST_TAGS 512

static str engagement = str_init("rtpproxy_engaged");
static str awaiting = str_init("rtpproxy_awaits_prack");
static str beginning = str_init("rtpproxy_begun_by");
static str ended = str_init("rtpproxy_ended");

void glue_dialog_bind(void)
{
	if(is_bound || !module_loaded("dialog"))
		return;
	is_bound = load_dlg_api(&dialog) == 0;
	if(!is_bound)
		LM_WARN("dialog is loaded, but cannot be bound: its event routes name no call\n");
	manage = find_export("dlg_manage", 0, 0);
}

bool glue_dialog_is_bound(void)
{
	return is_bound && manage != NULL;
}

struct dlg_cell *glue_dialog_lend(rtpp_message *message)
{
	struct dlg_cell *dlg;

	if(!message->is_made_up || !is_bound)
		return NULL;
	/* The dialog whose event route runs: the made-up Call-ID belongs to no dialog. */
	dlg = dialog.get_dlg(message->context);
	if(dlg == NULL)
		return NULL;
	message->is_made_up = false;
	message->call_id = glue_bytes_of(&dlg->callid);
	message->from_tag = glue_bytes_of(&dlg->tag[DLG_CALLER_LEG]);
	message->to_tag = glue_bytes_of(dlg->tag[DLG_CALLEE_LEG].len > 0 ? &dlg->tag[DLG_CALLEE_LEG] : NULL);
	return dlg;
}

void glue_dialog_return(struct dlg_cell *dlg)
{
	if(dlg != NULL)
		dialog.release_dlg(dlg);
}

/* --- dialogs that the module looks after --- */

/* What dialog looks for in a message; where it is not there, dialog would say so in the log. */
static bool is_readable(struct sip_msg *msg)
{
	return parse_headers(msg, HDR_CALLID_F | HDR_FROM_F | HDR_TO_F, 0) >= 0 && msg->callid != NULL && msg->to != NULL
		   && msg->from != NULL && parse_to_header(msg) == 0 && get_to(msg) != NULL && parse_from_header(msg) == 0
		   && get_from(msg) != NULL && get_from(msg)->tag_value.len > 0;
}

struct dlg_cell *glue_dialog_of(struct sip_msg *msg)
{
	struct dlg_cell *dlg;
	str call_id;

	if(!is_bound || msg == NULL)
		return NULL;
	/* Of an event route of dialog's own. */
	if(faked_msg_match(msg))
		return dialog.get_dlg(msg);
	if(!is_readable(msg))
		return NULL;
	dlg = dialog.get_dlg(msg);
	if(dlg == NULL)
		return NULL;
	/* dialog gives the one that it has at hand, whatever message comes. */
	call_id = msg->callid->body;
	trim(&call_id);
	if(dlg->callid.len == call_id.len && memcmp(dlg->callid.s, call_id.s, call_id.len) == 0)
		return dlg;
	dialog.release_dlg(dlg);
	return NULL;
}

struct dlg_cell *glue_dialog_begin(struct sip_msg *msg)
{
	/* Fails where the script has called it before; whether there is a dialog shows. */
	manage(msg, NULL, NULL);
	return glue_dialog_of(msg);
}

bool glue_dialog_is_engaged(struct dlg_cell *dlg)
{
	return dialog.get_dlg_varstatus(dlg, &engagement) == 1;
}

size_t glue_dialog_value(struct dlg_cell *dlg, const str *name, char *out, size_t capacity)
{
	str value = {NULL, 0};

	/* Borrowed for a moment only. */
	if(dialog.get_dlg_varval(dlg, (str *)name, &value) != 0 || value.s == NULL || value.len <= 0
			|| (size_t)value.len > capacity)
		return 0;
	memcpy(out, value.s, (size_t)value.len);
	return (size_t)value.len;
}

bool glue_dialog_set(struct dlg_cell *dlg, const str *name, const char *text, size_t length)
{
	str value = {(char *)text, (int)length};

	return dialog.set_dlg_var(dlg, (str *)name, &value) == 0;
}

bool glue_dialog_unset(struct dlg_cell *dlg, const str *name)
{
	return dialog.set_dlg_var(dlg, (str *)name, NULL) == 0;
}

bool glue_dialog_read(struct dlg_cell *dlg, const str *name, glue_engagement *out)
{
	rtpp_bytes text = {(const uint8_t *)out->text, glue_dialog_value(dlg, name, out->text, sizeof(out->text))};

	if(text.length == 0)
		return false;
	if(rtpp_read_engagement(text, &out->read) != RTPP_OK) {
		LM_ERR("the dialog variable %.*s is none of this module's\n", name->len, name->s);
		return false;
	}
	out->length = text.length;
	out->fork = -1;
	return true;
}

bool glue_dialog_engagement(struct dlg_cell *dlg, glue_engagement *out)
{
	return glue_dialog_read(dlg, &engagement, out);
}

bool glue_dialog_engage(struct dlg_cell *dlg, const char *text, size_t length, rtpp_bytes branch)
{
	if(branch.data != NULL && !glue_dialog_set(dlg, &beginning, (const char *)branch.data, branch.length))
		return false;
	/* Another INVITE has begun it before, and come to nothing. */
	if(glue_dialog_has_ended(dlg))
		glue_dialog_unset(dlg, &ended);
	return glue_dialog_set(dlg, &engagement, text, length);
}

bool glue_dialog_change(struct dlg_cell *dlg, const char *text, size_t length)
{
	/* Somebody may have ended it meanwhile: then it stays so. */
	return glue_dialog_is_engaged(dlg) && glue_dialog_set(dlg, &engagement, text, length);
}

bool glue_dialog_is_early(const struct dlg_cell *dlg)
{
	return dlg->state < DLG_STATE_CONFIRMED_NA;
}

bool glue_dialog_was_begun_by(struct dlg_cell *dlg, rtpp_bytes branch)
{
	str value = {NULL, 0};

	/* Of a branch that is not given (RFC 2543) nothing tells. */
	if(branch.data == NULL || dialog.get_dlg_varval(dlg, &beginning, &value) != 0 || value.s == NULL)
		return true;
	return value.len >= 0 && (size_t)value.len == branch.length && memcmp(value.s, branch.data, branch.length) == 0;
}

bool glue_dialog_disengage(struct dlg_cell *dlg)
{
	return dialog.set_dlg_var(dlg, &engagement, NULL) == 0;
}

bool glue_dialog_end(struct dlg_cell *dlg)
{
	if(!glue_dialog_disengage(dlg))
		return false;
	glue_dialog_set(dlg, &ended, "1", 1);
	return true;
}

bool glue_dialog_has_ended(struct dlg_cell *dlg)
{
	return dialog.get_dlg_varstatus(dlg, &ended) == 1;
}

bool glue_dialog_awaits_prack(struct dlg_cell *dlg, rtpp_bytes tag)
{
	char tags[LONGEST_TAGS];
	size_t length = glue_dialog_value(dlg, &awaiting, tags, sizeof(tags)), start;

	return length > 0 && glue_word_at(tags, length, tag, &start);
}

void glue_dialog_await_prack(struct dlg_cell *dlg, rtpp_bytes tag, bool awaits)
{
	char tags[LONGEST_TAGS];
	size_t length = glue_dialog_value(dlg, &awaiting, tags, sizeof(tags)), start;

	if(tag.data == NULL || tag.length == 0 || memchr(tag.data, ' ', tag.length) != NULL)
		return;
	if(!awaits) {
		if(length == 0 || !glue_word_at(tags, length, tag, &start))
			return;
		/* With the blank behind it or, of the last one, before it. */
		if(start + tag.length < length)
			memmove(tags + start, tags + start + tag.length + 1, length - start - tag.length - 1);
		length = length > tag.length ? length - tag.length - 1 : 0;
	} else if(length + 1 + tag.length <= sizeof(tags)) {
		if(length > 0)
			tags[length++] = ' ';
		memcpy(tags + length, tag.data, tag.length);
		length += tag.length;
	}
	if(length > 0)
		glue_dialog_set(dlg, &awaiting, tags, length);
	else
		glue_dialog_unset(dlg, &awaiting);
}

bool glue_dialog_is_from_callee(const struct dlg_cell *dlg, const rtpp_message *message)
{
	const str *tag = &dlg->tag[DLG_CALLER_LEG];
	bool is_callers = tag->len >= 0 && message->from_tag.length == (size_t)tag->len && tag->s != NULL
					  && message->from_tag.data != NULL
					  && memcmp(message->from_tag.data, tag->s, (size_t)tag->len) == 0;

	/* A reply has the tags of its request. */
	return is_callers != message->is_request;
}

void glue_dialog_message(const struct dlg_cell *dlg, rtpp_message *message)
{
	memset(message, 0, sizeof(*message));
	message->process = my_pid();
	message->is_request = true;
	message->method = RTPP_METHOD_BYE;
	message->content_length = -1;
	message->call_id = glue_bytes_of(&dlg->callid);
	message->from_tag = glue_bytes_of(&dlg->tag[DLG_CALLER_LEG]);
	message->to_tag = glue_bytes_of(dlg->tag[DLG_CALLEE_LEG].len > 0 ? &dlg->tag[DLG_CALLEE_LEG] : NULL);
}

/* What happens to such a dialog. */
static void on_event(struct dlg_cell *dlg, int type, struct dlg_cb_params *params)
{
	struct sip_msg *request = params != NULL ? params->req : NULL;

	if(dlg == NULL)
		return;
	if(type & DLGCB_CONFIRMED_NA) {
		/* Who has taken it: once, before that reply is sent on. Of another one there may be an ACK by then. */
		glue_fork_taken(dlg, params != NULL ? params->rpl : NULL);
		if(dlg->state == DLG_STATE_CONFIRMED)
			glue_engage_settle(dlg);
	} else if(type & (DLGCB_CONFIRMED | DLGCB_REQ_WITHIN)) {
		/* What has no transaction, and shows here alone. */
		if(request != NULL && request->first_line.type == SIP_REQUEST && request->REQ_METHOD == METHOD_ACK)
			glue_engage_pass(dlg, request);
		if(type & DLGCB_CONFIRMED)
			glue_engage_settle(dlg);
	} else if(type & DLGCB_TERMINATED) {
		glue_engage_end(dlg, request);
	} else {
		/* The request of a call that has failed is tm's own copy. */
		glue_engage_end(dlg, NULL);
	}
}

bool glue_dialog_watch(struct dlg_cell *dlg)
{
	const struct dlg_callback *callback;

	for(callback = dlg->cbs.first; callback != NULL; callback = callback->next) {
		if(callback->callback == on_event)
			return true;
	}
	return dialog.register_dlgcb(dlg,
				   DLGCB_CONFIRMED_NA | DLGCB_CONFIRMED | DLGCB_REQ_WITHIN | DLGCB_FAILED
						   | DLGCB_TERMINATED
						   /* Of dlg_bye() to one side nothing else tells. */
						   | DLGCB_TERMINATED_CONFIRMED | DLGCB_EXPIRED,
				   on_event, NULL, NULL)
		   == 0;
}

/* A dialog has been read from dialog's database. */
static void on_loaded(struct dlg_cell *dlg, int type, struct dlg_cb_params *params)
{
	(void)type, (void)params;
	if(glue_dialog_is_engaged(dlg) && !glue_dialog_watch(dlg))
		LM_ERR("a dialog of before the restart cannot be looked after\n");
}

/* dialog reads them when it is initialised: it has to be told of this before, and 5.6.3 does not bear it later. */
void glue_dialog_watch_loaded(void)
{
	static bool is_done = false;

	if(is_done || !module_loaded("dialog") || _shm_root.xmalloc == NULL)
		return;
	is_done = true;
	glue_dialog_bind();
	if(is_bound)
		dialog.register_dlgcb(NULL, DLGCB_LOADED, on_loaded, NULL, NULL);
}
