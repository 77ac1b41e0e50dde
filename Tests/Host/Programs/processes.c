/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one process does, all the others see, once and whole: `processes CASE` */
#include "world.h"

#include <stdlib.h>

#define NOTHING ((rtpp_bytes){.data = NULL, .length = 0})
#define WORKERS 16

static rtpp_module *module;
static const char *const urls[] = {"udp:127.0.0.1:9", "udp:127.0.0.1:11", "udp:127.0.0.1:13"};
static char url[64];

static void switches_all_on(int index)
{
	(void)index;
	EXPECT(rtpp_attach(module) == RTPP_OK);
	for(size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
		EXPECT(rtpp_enable(module, text(urls[i]), true) == RTPP_OK);
}

/* A module whose three nodes another process, which has ended, has switched on. */
static void share_three(void)
{
	module = shared("udp:127.0.0.1:9 udp:127.0.0.1:11 udp:127.0.0.1:13");
	in_processes(1, switches_all_on);
}

static void expect_nodes(bool second_is_disabled)
{
	for(size_t i = 0; i < 3; i++) {
		rtpp_node_info info;
		EXPECT(rtpp_node(module, i, &info) == RTPP_OK);
		EXPECT(info.disabled == (second_is_disabled && i == 1));
		EXPECT(info.recheck == (second_is_disabled && i == 1 ? -1 : 0));
	}
}

static void sees_what_others_change(int index)
{
	EXPECT(rtpp_attach(module) == RTPP_OK);
	EXPECT(rtpp_node_count(module) == 3);
	meet(WORKERS, 1);
	if(index == 3)
		EXPECT(rtpp_enable(module, text(urls[1]), false) == RTPP_OK);
	meet(WORKERS, 2);
	expect_nodes(true);
	meet(WORKERS, 3);
	if(index == 7)
		EXPECT(rtpp_enable(module, text(urls[1]), true) == RTPP_OK);
	meet(WORKERS, 4);
	expect_nodes(false);
	atomic_fetch_add(&the_world->count, 1);
}

static void a_change_is_seen_by_all(void)
{
	share_three();
	in_processes(WORKERS, sees_what_others_change);
	EXPECT(atomic_load(&the_world->count) == WORKERS);
	/* And by the process that shared the memory, which attaches last. */
	EXPECT(rtpp_attach(module) == RTPP_OK);
	expect_nodes(false);
}

static void dies_with_a_node_off(int index)
{
	EXPECT(rtpp_attach(module) == RTPP_OK);
	if(index == 0)
		EXPECT(rtpp_enable(module, text(urls[1]), false) == RTPP_OK);
}

static void a_change_outlives_its_process(void)
{
	share_three();
	in_processes(1, dies_with_a_node_off);
	EXPECT(rtpp_attach(module) == RTPP_OK);
	expect_nodes(true);
}

/* Half of the processes switch the node, the others look: on or off for good, never half of either. */
static void switches_or_looks(int index)
{
	EXPECT(rtpp_attach(module) == RTPP_OK);
	meet(WORKERS, 1);
	for(int round = 0; round < 20000; round++) {
		rtpp_node_info info;
		if(index % 2 == 0) {
			EXPECT(rtpp_enable(module, text(urls[1]), (round + index / 2) % 2 == 0) == RTPP_OK);
		} else {
			EXPECT(rtpp_node(module, 1, &info) == RTPP_OK);
			EXPECT(info.recheck == (info.disabled ? -1 : 0));
		}
	}
}

static void a_change_is_never_seen_by_half(void)
{
	share_three();
	in_processes(WORKERS, switches_or_looks);
}

static void offers_to_the_dead(int index)
{
	(void)index;
	EXPECT(rtpp_attach(module) == RTPP_OK);
	rtpp_message message = invite(1);
	edits_made = 0; /* whatever they were in the process that this one comes from */
	meet(WORKERS, 1);
	EXPECT(rtpp_offer(module, &message, NOTHING, NOTHING) == -3);
	EXPECT(edits_made == 0);
}

/* The module's own process looks before it believes a refused datagram. */
static bool is_found_dead(void)
{
	for(int tries = 0; tries < 1000; tries++) {
		rtpp_node_info info;
		if(rtpp_node(module, 0, &info) == RTPP_OK && info.disabled && info.recheck > 0)
			return true;
		usleep(10000);
	}
	return false;
}

static void a_dead_rtpproxy_is_reported_once(void)
{
	int port;
	pid_t rtpproxy = start_rtpproxy(&port);
	snprintf(url, sizeof(url), "udp:127.0.0.1:%d", port);
	module = shared(url);
	pid_t monitor = start_monitor(module);
	EXPECT(rtpp_attach(module) == RTPP_OK);
	rtpp_message message = invite(1);
	EXPECT(rtpp_offer(module, &message, NOTHING, NOTHING) == 1);
	stop(rtpproxy);
	in_processes(WORKERS, offers_to_the_dead);
	EXPECT(is_found_dead());
	stop(monitor);
	EXPECT(lines_with("disabled for") == 1);
}

static void offers_many(int index)
{
	(void)index;
	EXPECT(rtpp_attach(module) == RTPP_OK);
	meet(WORKERS, 1);
	for(int round = 0; round < 50; round++) {
		rtpp_message message = invite(2);
		EXPECT(rtpp_offer(module, &message, NOTHING, NOTHING) == 1);
		atomic_fetch_add(&the_world->count, 1);
	}
}

static void workers_get_their_own_answers(void)
{
	int port;
	pid_t rtpproxy = start_rtpproxy(&port);
	snprintf(url, sizeof(url), "udp:127.0.0.1:%d", port);
	module = shared(url);
	pid_t monitor = start_monitor(module);
	in_processes(WORKERS, offers_many);
	EXPECT(atomic_load(&the_world->count) == WORKERS * 50);
	stop(monitor);
	stop(rtpproxy);
}

int main(int argc, char **argv)
{
	static const named_case cases[] = {
			{"a-change-is-seen-by-all", a_change_is_seen_by_all},
			{"a-change-outlives-its-process", a_change_outlives_its_process},
			{"a-change-is-never-seen-by-half", a_change_is_never_seen_by_half},
			{"a-dead-rtpproxy-is-reported-once", a_dead_rtpproxy_is_reported_once},
			{"workers-get-their-own-answers", workers_get_their_own_answers},
	};
	EXPECT(argc == 2);
	return run_case(argv[1], cases, sizeof(cases) / sizeof(cases[0]));
}
