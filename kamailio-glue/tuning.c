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
};

static struct cfg_group_rtpproxy defaults;
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
		{0, 0, 0, 0, 0, 0, 0},
};

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
