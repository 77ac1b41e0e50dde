// SPDX-License-Identifier: GPL-2.0-or-later
/* A module of Kamailio whose callback in front of routes refuses every reply that has waited. */
#include "core/sr_module.h"

#include "core/parser/msg_parser.h"
#include "core/script_cb.h"

MODULE_VERSION

static int refuse(struct sip_msg *msg, unsigned int flags, void *unused)
{
	(void)flags, (void)unused;
	/* What has waited is a clone in shared memory. */
	return msg->first_line.type == SIP_REPLY && (msg->msg_flags & FL_SHM_CLONE) ? 0 : 1;
}

static int mod_init(void)
{
	return register_script_cb(refuse, PRE_SCRIPT_CB | ONREPLY_CB, NULL);
}

struct module_exports exports = {"refusing", DEFAULT_DLFLAGS, NULL, NULL, NULL, NULL, NULL, mod_init, NULL, NULL};
