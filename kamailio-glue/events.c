/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events: what the Swift half raises becomes a run of event_route[rtpproxy:...], or of a KEMI function.
 *
 * They run in the module's own processes, one after the other. What they are about is lent for the run, and the
 * variables $rtpp_node and $rtpp_notify show it. */

#include "glue.h"

#include "core/fmsg.h"
#include "core/receive.h"

/* By rtpp_event_kind. */
static char *const names[] = {"rtpproxy:node-down", "rtpproxy:node-up", "rtpproxy:timeout", "rtpproxy:node-drained",
		"rtpproxy:node-restarted"};
#define KINDS (sizeof(names) / sizeof(names[0]))

/* Index in event_rt, -1: there is no such route. */
static int routes[KINDS] = {-1, -1, -1, -1, -1};
static str callback = {NULL, 0};
static const rtpp_event *current = NULL;

int glue_events_set_callback(modparam_t type, void *name)
{
	(void)type;
	callback.s = name;
	callback.len = (int)strlen(callback.s);
	return 0;
}

void glue_events_init(void)
{
	size_t i;

	for(i = 0; i < KINDS; i++) {
		int route = route_lookup(&event_rt, names[i]);

		routes[i] = route >= 0 && event_rt.rlist[route] != NULL ? route : -1;
	}
}

bool glue_event_is_wanted(rtpp_event_kind kind)
{
	return callback.len > 0 || ((size_t)kind < KINDS && routes[kind] >= 0);
}

void glue_event_raise(const rtpp_event *event)
{
	sip_msg_t *msg;
	int route_type = get_route_type();

	if(!glue_event_is_wanted(event->kind))
		return;
	msg = faked_msg_next();
	if(msg == NULL) {
		LM_ERR("no message to run event_route[%s] with\n", names[event->kind]);
		return;
	}
	current = event;
	set_route_type(EVENT_ROUTE);
	if(routes[event->kind] >= 0) {
		struct run_act_ctx context;

		init_run_actions_ctx(&context);
		run_top_route(event_rt.rlist[routes[event->kind]], msg, &context);
	} else {
		sr_kemi_eng_t *engine = sr_kemi_eng_get();
		str name = {names[event->kind], (int)strlen(names[event->kind])};

		if(engine == NULL || sr_kemi_route(engine, msg, EVENT_ROUTE, &callback, &name) < 0)
			LM_ERR("parameter event_callback: the function \"%.*s\" cannot be run\n", callback.len, callback.s);
	}
	set_route_type(route_type);
	current = NULL;
	/* What a message leaves behind in a process: AVPs, XAVPs. */
	ksr_msg_env_reset();
}

const rtpp_event *glue_event_current(void)
{
	return current;
}
