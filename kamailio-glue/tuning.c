/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parameters that can be changed while Kamailio runs: the group rtpproxy of its configuration framework. */

#include "glue.h"

#include <limits.h>

#include "core/cfg/cfg.h"

struct cfg_group_rtpproxy {
	int tout_ms;
	int retr;
	int disable_tout;
	int ping_interval;
	int hedging;
	int log_level;
};

/* Below all of Kamailio's levels: its own holds. */
#define LEVEL_OF_KAMAILIO (L_MIN - 1)

static struct cfg_group_rtpproxy defaults = {.log_level = LEVEL_OF_KAMAILIO};
static void *handle = &defaults;
/* What this process has looked at last. */
static struct cfg_group_rtpproxy seen;

static cfg_def_t definitions[] = {
		{"tout_ms", CFG_VAR_INT, 1, INT_MAX, 0, 0, "rtpproxy_tout_ms: milliseconds that one try may take"},
		{"retr", CFG_VAR_INT, 1, INT_MAX, 0, 0, "rtpproxy_retr: how many tries' time a command has"},
		{"disable_tout", CFG_VAR_INT, INT_MIN, INT_MAX, 0, 0,
				"rtpproxy_disable_tout: seconds without calls for an RTPProxy that has failed"},
		{"ping_interval", CFG_VAR_INT, 0, 86400, 0, 0,
				"rtpproxy_ping_interval: seconds between two looks at an RTPProxy that is up"},
		{"hedging", CFG_VAR_INT, 0, 1, 0, 0,
				"rtpproxy_hedging: whether an offer asks the next RTPProxy, too, where one is slow"},
		{"log_level", CFG_VAR_INT, LEVEL_OF_KAMAILIO, L_MAX, 0, 0,
				"rtpproxy_log_level: which lines of the module are logged, -6: as Kamailio's are"},
		{0, 0, 0, 0, 0, 0, 0},
};

/* A level that is none, and where in the configuration it stands. */
static int wrong_level = LEVEL_OF_KAMAILIO;
static char wrong_place[200];

/* Holds from here on: for what is logged at start, too. */
int glue_tuning_set_log_level(modparam_t type, void *value)
{
	int level = (int)(long)value;

	(void)type;
	if(level >= LEVEL_OF_KAMAILIO && level <= L_MAX) {
		defaults.log_level = level;
		return 0;
	}
	wrong_level = level;
	snprintf(wrong_place, sizeof(wrong_place), "%s", (const char *)glue_place().data);
	return 0;
}

int glue_tuning_check(void)
{
	if(wrong_level == LEVEL_OF_KAMAILIO)
		return 0;
	glue_journal_fault("parameter rtpproxy_log_level: \"%d\": is not one of -6 to 3 (%s)", wrong_level, wrong_place);
	return -1;
}

int glue_log_level(void)
{
	const struct cfg_group_rtpproxy *now = handle;
	int level = (get_debug_level)(LOG_MNAME, LOG_MNAME_LEN);

	/* What is not `debug` was said of this module alone, by the debugger, or of this process. */
	if(now->log_level == LEVEL_OF_KAMAILIO || level != get_cfg_debug_level())
		return level;
	return now->log_level;
}

int glue_tuning_init(void)
{
	rtpp_tuning tuning;

	rtpp_configured_tuning(glue_instance, &tuning);
	defaults = (struct cfg_group_rtpproxy){
			.tout_ms = tuning.timeout_ms,
			.retr = tuning.tries,
			.disable_tout = tuning.disable_seconds,
			.ping_interval = tuning.ping_seconds,
			.hedging = tuning.hedges ? 1 : 0,
			.log_level = defaults.log_level,
	};
	if(cfg_declare("rtpproxy", definitions, &defaults, cfg_sizeof(rtpproxy), &handle) < 0) {
		LM_ERR("the parameters that can be changed cannot be declared\n");
		return -1;
	}
	return 0;
}

bool glue_tuning(rtpp_tuning *tuning)
{
	const struct cfg_group_rtpproxy *now = handle;

	if(memcmp(now, &seen, sizeof(seen)) == 0)
		return false;
	seen = *now;
	*tuning = (rtpp_tuning){
			.timeout_ms = seen.tout_ms,
			.tries = seen.retr,
			.disable_seconds = seen.disable_tout,
			.ping_seconds = seen.ping_interval,
			.hedges = seen.hedging != 0,
	};
	return true;
}
