/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events: what the Swift half raises becomes a run of event_route[rtpproxy:...], or of a KEMI function.
 *
 * They run in the module's own processes, one after the other. The event is lent for the run, and the variables
 * $rtpp_node and $rtpp_notify show it. */

#include "glue.h"

#include "core/fmsg.h"
#include "core/receive.h"

/* What the names of all of them begin with. */
#define PREFIX "rtpproxy:"

/* By rtpp_event_kind. */
#define ROUTE_NAME(kind, name) PREFIX name,
static char *const names[] = {RTPP_EVENTS(ROUTE_NAME)};
#define KINDS (sizeof(names) / sizeof(names[0]))

/* Index in event_rt, -1: there is no such route. */
#define NO_ROUTE(kind, name) -1,
static int routes[KINDS] = {RTPP_EVENTS(NO_ROUTE)};
/* What there is, for who has written something else. */
#define LISTED(kind, name) ", " name
static const char listed[] = RTPP_EVENTS(LISTED);
static str callback = {NULL, 0};
static const rtpp_event *current = NULL;

int glue_events_set_callback(modparam_t type, void *name)
{
	(void)type;
	callback.s = name;
	callback.len = (int)strlen(callback.s);
	return 0;
}

static bool is_known(const str *name)
{
	size_t i;

	for(i = 0; i < KINDS; i++) {
		if(name->len == (int)strlen(names[i]) && memcmp(name->s, names[i], name->len) == 0)
			return true;
	}
	return false;
}

/* Whether there are event routes of this module that it never runs. */
static bool has_unknown_routes(void)
{
	static const char own[] = PREFIX;
	bool is_found = false;
	int i;

	for(i = 0; i < event_rt.names.size; i++) {
		struct str_hash_head *head = &event_rt.names.table[i];
		struct str_hash_entry *entry;

		clist_foreach(head, entry, next)
		{
			const str *name = &entry->key;

			if(name->len < (int)sizeof(own) - 1 || memcmp(name->s, own, sizeof(own) - 1) != 0 || is_known(name))
				continue;
			glue_journal_fault("event_route[%.*s]: there is no such event; there are %s", name->len, name->s,
					listed + strlen(", "));
			is_found = true;
		}
	}
	return is_found;
}

int glue_events_init(void)
{
	int result = has_unknown_routes() ? -1 : 0;
	size_t i;

	for(i = 0; i < KINDS; i++) {
		int route = route_lookup(&event_rt, names[i]);

		routes[i] = route >= 0 && event_rt.rlist[route] != NULL ? route : -1;
	}
	return result;
}

bool glue_events_have_callback(void)
{
	return callback.len > 0;
}

void glue_events_ask(void)
{
	sip_msg_t *msg = callback.len > 0 && sr_kemi_eng_get() != NULL ? faked_msg_next() : NULL;

	if(msg != NULL && !glue_kemi_has(msg, &callback))
		LM_WARN("parameter event_callback: the script has no function \"%s\"\n", callback.s);
}

bool glue_event_has_route(rtpp_event_kind kind)
{
	return (size_t)kind < KINDS && routes[kind] >= 0;
}

bool glue_event_is_wanted(rtpp_event_kind kind)
{
	return callback.len > 0 || ((size_t)kind < KINDS && routes[kind] >= 0);
}

bool glue_node_events_are_wanted(void)
{
	size_t kind;

	for(kind = 0; kind < KINDS; kind++) {
		if(kind != RTPP_EVENT_TIMEOUT && glue_event_is_wanted((rtpp_event_kind)kind))
			return true;
	}
	return false;
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
		str name = {names[event->kind], (int)strlen(names[event->kind])};

		glue_kemi_run(msg, EVENT_ROUTE, &callback, &name, "parameter event_callback");
	}
	set_route_type(route_type);
	current = NULL;
	/* Clears what a message leaves behind in a process: AVPs, XAVPs. */
	ksr_msg_env_reset();
}

const rtpp_event *glue_event_current(void)
{
	return current;
}
