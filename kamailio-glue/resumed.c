/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The message with which a transaction goes on just now in this process, while its route runs. */

#include "glue.h"

static struct {
	const struct sip_msg *msg;
	rtpp_code code;
} resumed;

void glue_resumed_begins(const struct sip_msg *msg, rtpp_code code)
{
	resumed.msg = msg;
	resumed.code = code;
}

void glue_resumed_ends(void)
{
	resumed.msg = NULL;
}

const struct sip_msg *glue_resumed_message(void)
{
	return resumed.msg;
}

rtpp_code glue_resumed_code(void)
{
	return resumed.code;
}
