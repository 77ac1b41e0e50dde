/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The RPC commands rtpproxy.list, .enable, .drain, .forget, .probe, .reload, .stats, .status, .reset_stats and
 * .version. */

#include "glue.h"

#include <limits.h>
#include <time.h>

#include "core/globals.h"

static const char *list_doc[] = {"Lists every RTPProxy: set, URL, index, disabled, weight, tick of the next try", NULL};
static const char *enable_doc[] = {"Enables (1) or disables (0) the RTPProxies given by URL, as set:N or as all", NULL};
static const char *drain_doc[] = {
		"Gives the RTPProxies given by URL, as set:N or as all no new calls (1), or new calls again (0)", NULL};
static const char *forget_doc[] = {
		"Forgets which calls the RTPProxies given hold, and tells how many those were", NULL};
static const char *probe_doc[] = {"Asks every RTPProxy, or those given by URL or as set:N, whether it is there: round "
								  "trip in microseconds, or why not",
		NULL};
static const char *reload_doc[] = {"Reads the sets from the database again", NULL};
static const char *stats_doc[] = {
		"What has been counted of every RTPProxy, or of those given by URL or as set:N: state, "
		"commands, round trips, last error",
		NULL};
static const char *status_doc[] = {
		"Everything that is known of the RTPProxies and the counters, for a page to show", NULL};
static const char *version_doc[] = {
		"Which module this is: version, commit, and the Kamailio that it was built for", NULL};
static const char *reset_stats_doc[] = {"Sets what has been counted back to 0", NULL};

static void rpc_list(rpc_t *rpc, void *context)
{
	size_t count = rtpp_node_count(glue_instance);
	size_t i;

	for(i = 0; i < count; i++) {
		rtpp_node_info node;
		void *entry;
		str url;

		if(rtpp_node(glue_instance, i, &node) != RTPP_OK)
			continue;
		url.s = (char *)node.url.data;
		url.len = (int)node.url.length;
		if(rpc->add(context, "{", &entry) < 0
				|| rpc->struct_add(entry, "dSdddd", "setid", (int)node.set_id, "url", &url, "index", (int)node.index,
						   "disabled", node.disabled ? 1 : 0, "weight", (int)node.weight, "recheck", (int)node.recheck)
						   < 0) {
			rpc->fault(context, 500, "Internal error creating the answer");
			return;
		}
	}
}

/* Does what a command with a URL and a number asks for: above 0 on, else off. */
static void turn(rpc_t *rpc, void *context, rtpp_status (*command)(rtpp_module *, rtpp_bytes url, bool is_on))
{
	str url;
	str number = {NULL, 0};
	bool is_on = false;
	int other;

	if(rpc->scan(context, "S", &url) < 1) {
		rpc->fault(context, 500, "Not enough parameters");
		return;
	}
	/* As text: over JSON a text, null and the like are 0 where they are read as a number. What is no text has to be
	 * told from nothing. */
	if(rpc->scan(context, "*.S", &number) < 1) {
		if(rpc->scan(context, "*d", &other) < 1)
			rpc->fault(context, 500, "Not enough parameters");
		else
			rpc->fault(context, 400, "Not a number");
		return;
	}
	if(rtpp_read_switch(glue_bytes_of(&number), &is_on) != RTPP_OK) {
		rpc->fault(context, 400, "Not a number");
		return;
	}
	if(command(glue_instance, glue_bytes_of(&url), is_on) != RTPP_OK)
		rpc->fault(context, 404, "RTPProxy not found");
}

static void rpc_enable(rpc_t *rpc, void *context)
{
	turn(rpc, context, rtpp_enable);
}

static void rpc_drain(rpc_t *rpc, void *context)
{
	turn(rpc, context, rtpp_drain);
}

static void rpc_forget(rpc_t *rpc, void *context)
{
	size_t count = 0;
	void *answer;
	str nodes;

	if(rpc->scan(context, "S", &nodes) < 1)
		rpc->fault(context, 500, "Not enough parameters");
	else if(rtpp_forget(glue_instance, glue_bytes_of(&nodes), &count) != RTPP_OK)
		rpc->fault(context, 404, "RTPProxy not found");
	else if(rpc->add(context, "{", &answer) < 0
			|| rpc->struct_add(answer, "d", "forgotten", (int)(count < INT_MAX ? count : INT_MAX)) < 0)
		rpc->fault(context, 500, "Internal error creating the answer");
}

static void rpc_probe(rpc_t *rpc, void *context)
{
	rtpp_bytes wanted = {NULL, 0};
	size_t count = 0;
	size_t i;
	str url;

	if(rpc->scan(context, "*.S", &url) > 0)
		wanted = glue_bytes_of(&url);
	if(rtpp_probe(glue_instance, wanted, &count) != RTPP_OK) {
		rpc->fault(context, 404, "RTPProxy not found");
		return;
	}
	for(i = 0; i < count; i++) {
		rtpp_probe_info node;
		void *entry;
		str reason;
		int result;

		if(rtpp_probed(glue_instance, i, &node) != RTPP_OK)
			continue;
		url.s = (char *)node.url.data;
		url.len = (int)node.url.length;
		reason.s = (char *)node.reason.data;
		reason.len = (int)node.reason.length;
		result = rpc->add(context, "{", &entry);
		if(result >= 0)
			result = rpc->struct_add(entry, "Sddd", "url", &url, "setid", (int)node.set_id, "index", (int)node.index,
					"answered", node.answered ? 1 : 0);
		if(result >= 0)
			result = node.answered ? rpc->struct_add(
							 entry, "d", "rtt_us", (int)(node.round_trip_us < INT_MAX ? node.round_trip_us : INT_MAX))
								   : rpc->struct_add(entry, "S", "reason", &reason);
		if(result < 0) {
			rpc->fault(context, 500, "Internal error creating the answer");
			return;
		}
	}
}

static void rpc_reload(rpc_t *rpc, void *context)
{
	rtpp_pool_change change;
	void *answer;

	if(rtpp_begin_reload(glue_instance) != RTPP_OK) {
		rpc->fault(context, 500, "The sets do not come from a database");
		return;
	}
	if(glue_load_pool() < 0) {
		rtpp_abandon_reload(glue_instance);
		rpc->fault(context, 500, "Nothing is changed: %s", glue_db_fault());
		return;
	}
	if(rtpp_commit_reload(glue_instance, &change) != RTPP_OK) {
		rpc->fault(context, 500, "Nothing is changed: another reload is under way");
		return;
	}
	if(rpc->add(context, "{", &answer) < 0
			|| rpc->struct_add(answer, "ddddd", "added", (int)change.added, "kept", (int)change.kept, "removed",
					   (int)change.removed, "refused", (int)change.refused, "skipped", (int)change.skipped)
					   < 0)
		rpc->fault(context, 500, "Internal error creating the answer");
}

/* RPC has no number of 64 bits that all versions know: what goes beyond 31 is a double, exact up to 53. */
static int add_count(rpc_t *rpc, void *entry, char *name, uint64_t value)
{
	if(value <= INT_MAX)
		return rpc->struct_add(entry, "d", name, (int)value);
	return rpc->struct_add(entry, "f", name, (double)value);
}

static int fill_figures(rpc_t *rpc, void *entry, const rtpp_node_figures *node)
{
	str url = {(char *)node->url.data, (int)node->url.length};
	str state = {(char *)node->state.data, (int)node->state.length};
	str error = {(char *)node->last_error, (int)node->last_error_length};

	if(rpc->struct_add(entry, "SdS", "url", &url, "setid", (int)node->set_id, "state", &state) < 0
			|| add_count(rpc, entry, "since", node->state_seconds) < 0
			|| add_count(rpc, entry, "commands", node->commands) < 0
			|| add_count(rpc, entry, "answered", node->answered) < 0
			|| add_count(rpc, entry, "errors", node->errors) < 0
			|| add_count(rpc, entry, "timeouts", node->timeouts) < 0
			|| add_count(rpc, entry, "retransmissions", node->retransmissions) < 0
			|| add_count(rpc, entry, "rtt_us", node->round_trip_us) < 0
			|| add_count(rpc, entry, "rtt_p50_us", node->round_trip_p50_us) < 0
			|| add_count(rpc, entry, "rtt_p90_us", node->round_trip_p90_us) < 0
			|| add_count(rpc, entry, "rtt_p99_us", node->round_trip_p99_us) < 0
			|| add_count(rpc, entry, "calls", node->calls) < 0 || add_count(rpc, entry, "restarts", node->restarts) < 0)
		return -1;
	if(error.len == 0)
		return 0;
	return rpc->struct_add(entry, "S", "last_error", &error) < 0
						   || add_count(rpc, entry, "last_error_ago", node->last_error_seconds) < 0
				   ? -1
				   : 0;
}

static int add_figures(rpc_t *rpc, void *context, const rtpp_node_figures *node)
{
	void *entry;

	return rpc->add(context, "{", &entry) < 0 || fill_figures(rpc, entry, node) < 0 ? -1 : 0;
}

static void rpc_stats(rpc_t *rpc, void *context)
{
	size_t count = rtpp_node_count(glue_instance);
	rtpp_bytes wanted = {NULL, 0};
	bool is_found = false;
	size_t i;
	str url;

	if(rpc->scan(context, "*.S", &url) > 0)
		wanted = glue_bytes_of(&url);
	for(i = 0; i < count; i++) {
		rtpp_node_figures node;

		if(rtpp_node_statistics(glue_instance, i, wanted, &node) != RTPP_OK)
			continue;
		is_found = true;
		if(add_figures(rpc, context, &node) < 0) {
			rpc->fault(context, 500, "Internal error creating the answer");
			return;
		}
	}
	if(wanted.data != NULL && !is_found)
		rpc->fault(context, 404, "RTPProxy not found");
}

static int add_status(rpc_t *rpc, void *nodes, const rtpp_node_figures *node)
{
	size_t i;
	void *entry;
	void *counts;

	if(rpc->array_add(nodes, "{", &entry) < 0 || fill_figures(rpc, entry, node) < 0
			|| rpc->struct_add(
					   entry, "dd[", "index", (int)node->index, "weight", (int)node->weight, "round_trips", &counts)
					   < 0)
		return -1;
	for(i = 0; i < RTPP_SPREAD; i++) {
		int result = node->round_trips[i] <= INT_MAX ? rpc->array_add(counts, "d", (int)node->round_trips[i])
													 : rpc->array_add(counts, "f", (double)node->round_trips[i]);

		if(result < 0)
			return -1;
	}
	return 0;
}

static void rpc_status(rpc_t *rpc, void *context)
{
	size_t count = rtpp_node_count(glue_instance);
	rtpp_bytes any = {NULL, 0};
	size_t i;
	void *answer;
	void *counters;
	void *nodes;

	if(rpc->add(context, "{", &answer) < 0 || add_count(rpc, answer, "uptime", (uint64_t)(time(NULL) - up_since)) < 0
			|| rpc->struct_add(answer, "{", "counters", &counters) < 0)
		goto failed;
	for(i = 0; i < glue_counters_count(); i++) {
		char *name;
		uint64_t value = glue_counters_value(i, &name);

		if(add_count(rpc, counters, name, value) < 0)
			goto failed;
	}
	if(rpc->struct_add(answer, "[", "nodes", &nodes) < 0)
		goto failed;
	for(i = 0; i < count; i++) {
		rtpp_node_figures node;

		if(rtpp_node_statistics(glue_instance, i, any, &node) == RTPP_OK && add_status(rpc, nodes, &node) < 0)
			goto failed;
	}
	return;
failed:
	rpc->fault(context, 500, "Internal error creating the answer");
}

static void rpc_reset_stats(rpc_t *rpc, void *context)
{
	(void)rpc, (void)context;
	rtpp_reset_statistics(glue_instance);
	glue_counters_reset();
}

static void rpc_version(rpc_t *rpc, void *context)
{
	const char *commit = glue_commit();
	void *answer;

	if(rpc->add(context, "{", &answer) < 0 || rpc->struct_add(answer, "s", "version", glue_version()) < 0
			|| (*commit != '\0' && rpc->struct_add(answer, "s", "commit", commit) < 0)
			|| rpc->struct_add(answer, "s", "kamailio", glue_built_for()) < 0)
		rpc->fault(context, 500, "Internal error creating the answer");
}

rpc_export_t glue_rpc[] = {
		{"rtpproxy.list", rpc_list, list_doc, RET_ARRAY},
		{"rtpproxy.enable", rpc_enable, enable_doc, 0},
		{"rtpproxy.drain", rpc_drain, drain_doc, 0},
		{"rtpproxy.forget", rpc_forget, forget_doc, 0},
		{"rtpproxy.probe", rpc_probe, probe_doc, RET_ARRAY},
		{"rtpproxy.reload", rpc_reload, reload_doc, 0},
		{"rtpproxy.stats", rpc_stats, stats_doc, RET_ARRAY},
		{"rtpproxy.status", rpc_status, status_doc, 0},
		{"rtpproxy.reset_stats", rpc_reset_stats, reset_stats_doc, 0},
		{"rtpproxy.version", rpc_version, version_doc, 0},
		{0, 0, 0, 0},
};
