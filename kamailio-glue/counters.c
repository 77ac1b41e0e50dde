/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The group "rtpproxy" of Kamailio's counters: stats.get_statistics, cnt.get and all that read them have it. */

#include "glue.h"

static counter_val_t gauge(counter_handle_t handle, void *which)
{
	(void)handle;
	return (counter_val_t)rtpp_gauge_value(rtpp_instance, (rtpp_gauge)(uintptr_t)which);
}

#define GAUGE(name, which, text)                                         \
	{                                                                    \
		0, name, CNT_F_NO_RESET, gauge, (void *)(uintptr_t)(which), text \
	}

static counter_def_t definitions[] = {
		GAUGE("calls_remembered", RTPP_GAUGE_CALLS_REMEMBERED, "calls in the table that says which RTPProxy has them"),
		GAUGE("calls_forgotten", RTPP_GAUGE_CALLS_FORGOTTEN, "calls that gave way because that table was full"),
		GAUGE("async_under_way", RTPP_GAUGE_ASYNC_UNDER_WAY, "calls that asynchronous processes are waiting for"),
		GAUGE("async_refused", RTPP_GAUGE_ASYNC_REFUSED, "calls refused because rtpproxy_async_max were under way"),
		{0, 0, 0, 0, 0, 0},
};

int rtpp_counters_init(void)
{
	if(counter_register_array("rtpproxy", definitions) < 0) {
		LM_ERR("the counters cannot be registered\n");
		return -1;
	}
	return 0;
}
