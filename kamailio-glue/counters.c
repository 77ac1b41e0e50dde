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

/* By rtpp_counter. */
static counter_handle_t handles[RTPP_COUNTERS];

#define COUNTER(name, which, text)                 \
	{                                              \
		&handles[which], name, 0, NULL, NULL, text \
	}

static counter_def_t definitions[] = {
		COUNTER("commands_sent", RTPP_COUNT_COMMANDS_SENT, "commands of calls, each once however often it was sent"),
		COUNTER("commands_answered", RTPP_COUNT_COMMANDS_ANSWERED,
				"commands that were answered, errors among the answers"),
		COUNTER("commands_timed_out", RTPP_COUNT_COMMANDS_TIMED_OUT,
				"commands given up because they had no answer in time"),
		COUNTER("retransmissions", RTPP_COUNT_RETRANSMISSIONS, "times that a command was sent again"),
		COUNTER("errors_command", RTPP_COUNT_ERRORS_COMMAND,
				"answers E0 to E6, E11 to E19, E25, E26, E31 to E37: the command was not understood"),
		COUNTER("errors_internal", RTPP_COUNT_ERRORS_INTERNAL, "answers E7 to E10: faults inside RTPProxy 1.x"),
		COUNTER("errors_no_session", RTPP_COUNT_ERRORS_SESSION,
				"answers E50 to other commands than deletes: no such session"),
		COUNTER("errors_function", RTPP_COUNT_ERRORS_FUNCTION,
				"answers E60, E62, E65, E68, E75: playing, statistics, copying, notification"),
		COUNTER("errors_ports", RTPP_COUNT_ERRORS_PORTS, "answers E71, E72: no ports or descriptors left"),
		COUNTER("errors_memory", RTPP_COUNT_ERRORS_MEMORY, "answers E81 to E89: no memory left"),
		COUNTER("errors_overload", RTPP_COUNT_ERRORS_OVERLOAD, "answers E98: too much to do"),
		COUNTER("errors_draining", RTPP_COUNT_ERRORS_DRAINING, "answers E99: no new sessions"),
		COUNTER("errors_other", RTPP_COUNT_ERRORS_OTHER, "any other error answer"),
		COUNTER("failovers", RTPP_COUNT_FAILOVERS, "times that a call asked another RTPProxy because one had failed"),
		COUNTER("hedges", RTPP_COUNT_HEDGES, "times that an offer asked another RTPProxy, too, because one was slow"),
		COUNTER("node_failures", RTPP_COUNT_NODE_FAILURES, "times that an RTPProxy was disabled because it had failed"),
		COUNTER("sessions_created", RTPP_COUNT_SESSIONS_CREATED, "sessions that offers began"),
		COUNTER("sessions_deleted", RTPP_COUNT_SESSIONS_DELETED, "sessions that were deleted"),
		COUNTER("streams", RTPP_COUNT_STREAMS, "media streams of offers and answers that got ports"),
		COUNTER("bodies_rewritten", RTPP_COUNT_BODIES_REWRITTEN, "bodies whose SDP was changed"),
		COUNTER("refused_no_body", RTPP_COUNT_REFUSED_NO_BODY, "offers and answers without a body"),
		COUNTER("refused_not_sdp", RTPP_COUNT_REFUSED_NOT_SDP, "offers and answers whose body is no SDP"),
		COUNTER("refused_malformed", RTPP_COUNT_REFUSED_MALFORMED, "offers and answers whose body is malformed"),
		COUNTER("refused_marked", RTPP_COUNT_REFUSED_MARKED, "offers and answers that another proxy had marked"),
		COUNTER("refused_rewritten", RTPP_COUNT_REFUSED_REWRITTEN,
				"offers and answers on a body that was rewritten already"),
		COUNTER("refused_parameters", RTPP_COUNT_REFUSED_PARAMETERS, "functions refused for what the script gave them"),
		COUNTER("refused_headers", RTPP_COUNT_REFUSED_HEADERS,
				"functions refused for a header or address that is missing or unfit"),
		COUNTER("no_rtpproxy", RTPP_COUNT_WITHOUT_NODE, "functions that found no RTPProxy available"),
		GAUGE("nodes", RTPP_GAUGE_NODES, "RTPProxies of all sets"),
		GAUGE("nodes_up", RTPP_GAUGE_NODES_UP, "RTPProxies that are up"),
		GAUGE("calls_remembered", RTPP_GAUGE_CALLS_REMEMBERED, "calls in the table that says which RTPProxy has them"),
		GAUGE("calls_forgotten", RTPP_GAUGE_CALLS_FORGOTTEN, "calls that gave way because that table was full"),
		GAUGE("async_under_way", RTPP_GAUGE_ASYNC_UNDER_WAY, "calls that asynchronous processes are waiting for"),
		GAUGE("async_refused", RTPP_GAUGE_ASYNC_REFUSED, "calls refused because rtpproxy_async_max were under way"),
		{0, 0, 0, 0, 0, 0},
};

void rtpp_count(rtpp_counter which, uint32_t amount)
{
	if((unsigned)which < RTPP_COUNTERS)
		counter_add(handles[which], (int)amount);
}

void rtpp_counters_reset(void)
{
	size_t i;

	for(i = 0; i < RTPP_COUNTERS; i++)
		counter_reset(handles[i]);
}

int rtpp_counters_init(void)
{
	if(counter_register_array("rtpproxy", definitions) < 0) {
		LM_ERR("the counters cannot be registered\n");
		return -1;
	}
	return 0;
}

size_t rtpp_counters_count(void)
{
	return sizeof(definitions) / sizeof(definitions[0]) - 1;
}

uint64_t rtpp_counters_value(size_t position, char **name)
{
	const counter_def_t *definition = &definitions[position];

	*name = (char *)definition->name;
	if(definition->handle != NULL)
		return (uint64_t)counter_get_val(*definition->handle);
	return (uint64_t)definition->get_cbk((counter_handle_t){0}, definition->get_cbk_param);
}
