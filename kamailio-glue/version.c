/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which module this file is: its version, its commit, and the Kamailio that it was built for. */

#include "glue.h"

#include "version.h"

/* For `readelf -p .modinfo rtpproxy.so`: texts NAME=VALUE, one behind the other, as kernel modules have them. */
static const char information[] __attribute__((used, aligned(1), section(".modinfo"))) =
		"name=rtpproxy\0"
		"description=media of calls through RTPProxy\0"
		"license=GPL-2.0-or-later\0"
		"version=" RTPP_VERSION "\0"
		"commit=" RTPP_COMMIT "\0"
		"kamailio=" VERSION;

static const char *value_of(const char *name)
{
	size_t length = strlen(name);
	const char *text;

	for(text = information; text < information + sizeof(information); text += strlen(text) + 1) {
		if(strncmp(text, name, length) == 0 && text[length] == '=')
			return text + length + 1;
	}
	return "";
}

const char *glue_version(void)
{
	return value_of("version");
}

const char *glue_commit(void)
{
	return value_of("commit");
}

const char *glue_built_for(void)
{
	return value_of("kamailio");
}

void glue_log_version(void)
{
	const char *commit = glue_commit();

	LM_INFO("rtpproxy.so %s%s%s%s for Kamailio %s\n", glue_version(), *commit != '\0' ? " (commit " : "", commit,
			*commit != '\0' ? ")" : "", glue_built_for());
}
