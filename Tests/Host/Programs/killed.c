/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes that are killed with SIGKILL while they write to the memory that all share: `killed CASE` */
#include "world.h"

#include <stdlib.h>

#define NOTHING ((rtpp_bytes){.data = NULL, .length = 0})
#define WORKERS 16
#define VICTIMS 6
#define KILLS 400

static rtpp_module *module;
static char url[64], dead_url[64];

/* Gathers and takes over a pool with the RTPProxy and, if `both`, the URL where nobody is. */
static rtpp_status reload(bool both)
{
	int64_t weight = 1, flags = 0;
	rtpp_pool_change change;
	EXPECT(rtpp_begin_reload(module) == RTPP_OK);
	EXPECT(rtpp_add_row(module, 0, text("0"), text(url), &weight, &flags) == RTPP_OK);
	if(both)
		EXPECT(rtpp_add_row(module, 1, text("0"), text(dead_url), &weight, &flags) == RTPP_OK);
	return rtpp_commit_reload(module, &change);
}

/* Everything that writes to the shared memory, for ever: calls begin and end, a node fails and is switched on again,
 * the pool changes. */
static void writes_until_it_is_killed(int index)
{
	EXPECT(rtpp_attach(module) == RTPP_OK);
	for(int round = index;; round++) {
		rtpp_message message = invite(2);
		EXPECT(rtpp_offer(module, &message, NOTHING, NOTHING) == 1);
		if(round % 2 == 0)
			EXPECT(rtpp_delete(module, &message, NOTHING) == 1);
		rtpp_enable(module, text(dead_url), round % 3 != 0);
		rtpp_drain(module, text(dead_url), round % 5 == 0);
		if(index == 0)
			reload(round % 7 != 0);
		atomic_fetch_add(&the_world->count, 1);
	}
}

static void offers_and_switches(int index)
{
	(void)index;
	EXPECT(rtpp_attach(module) == RTPP_OK);
	for(int round = 0; round < 20; round++) {
		rtpp_message message = invite(2);
		EXPECT(rtpp_offer(module, &message, NOTHING, NOTHING) == 1);
		EXPECT(rtpp_enable(module, text(dead_url), round % 2 == 0) == RTPP_OK);
		EXPECT(rtpp_delete(module, &message, NOTHING) == 1);
	}
}

/* A lock whose holder was killed is broken after ten ticks; a process that comes before is refused, and does not wait.
 * */
static void takes_a_pool_over(int index)
{
	(void)index;
	EXPECT(rtpp_attach(module) == RTPP_OK);
	rtpp_status status = RTPP_BUSY;
	for(int tenths = 0; tenths < 130 && status == RTPP_BUSY; tenths++) {
		status = reload(true);
		if(status == RTPP_BUSY)
			usleep(100000);
	}
	EXPECT(status == RTPP_OK);
	EXPECT(rtpp_node_count(module) == 2);
	EXPECT(rtpp_enable(module, text(dead_url), false) == RTPP_OK);
	rtpp_node_info info;
	EXPECT(rtpp_node(module, 1, &info) == RTPP_OK && info.disabled && info.recheck == -1);
	EXPECT(rtpp_node(module, 0, &info) == RTPP_OK && !info.disabled && info.recheck == 0);
}

/* The processes that live go on with calls; five seconds are for a machine that has much to do. */
static void expect_progress(void)
{
	int before = atomic_load(&the_world->count);
	for(int hundredths = 0; hundredths < 500 && atomic_load(&the_world->count) < before + 20; hundredths++)
		usleep(10000);
	EXPECT(atomic_load(&the_world->count) >= before + 20);
}

static void processes_killed_at_any_moment_leave_all_usable(void)
{
	int port, dead_port;
	int64_t weight = 1, flags = 0;
	stop(start_rtpproxy(&dead_port));
	pid_t rtpproxy = start_rtpproxy(&port);
	snprintf(url, sizeof(url), "udp:127.0.0.1:%d", port);
	snprintf(dead_url, sizeof(dead_url), "udp:127.0.0.1:%d", dead_port);
	module = created("");
	/* A pool that can be changed is one from a database. */
	EXPECT(rtpp_set_text(module, "db_url", text("sqlite:///somewhere")) == RTPP_OK);
	EXPECT(rtpp_set_number(module, "rtpproxy_tout", 5) == RTPP_OK);
	EXPECT(rtpp_add_row(module, 0, text("0"), text(url), &weight, &flags) == RTPP_OK);
	EXPECT(rtpp_add_row(module, 1, text("0"), text(dead_url), &weight, &flags) == RTPP_OK);
	share(module);
	pid_t monitor = start_monitor(module), victims[VICTIMS];
	for(int i = 0; i < VICTIMS; i++)
		victims[i] = start(writes_until_it_is_killed, i);
	srand((unsigned)getpid());
	for(int kills = 0; kills < KILLS; kills++) {
		int i = rand() % VICTIMS;
		usleep((useconds_t)(rand() % 8000));
		stop(victims[i]);
		victims[i] = start(writes_until_it_is_killed, i);
		if(kills % 50 == 0) {
			stop(monitor);
			monitor = start_monitor(module);
			expect_progress();
		}
	}
	expect_progress();
	for(int i = 0; i < VICTIMS; i++)
		stop(victims[i]);
	in_processes(1, takes_a_pool_over);
	in_processes(WORKERS, offers_and_switches);
	stop(monitor);
	stop(rtpproxy);
}

int main(int argc, char **argv)
{
	static const named_case cases[] = {
			{"processes-killed-at-any-moment-leave-all-usable", processes_killed_at_any_moment_leave_all_usable},
	};
	EXPECT(argc == 2);
	return run_case(argv[1], cases, sizeof(cases) / sizeof(cases[0]));
}
