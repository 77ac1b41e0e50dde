/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dialogs of the module `dialog`: the call that a made-up message of its event routes is about. */

#include "glue.h"

#include "modules/dialog/dlg_load.h"

#include "modules/dialog/dlg_hash.h"

static struct dlg_binds dialog;
static bool is_bound = false;

void glue_dialog_bind(void)
{
	if(!module_loaded("dialog"))
		return;
	is_bound = load_dlg_api(&dialog) == 0;
	if(!is_bound)
		LM_WARN("dialog is loaded, but cannot be bound: its event routes name no call\n");
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
