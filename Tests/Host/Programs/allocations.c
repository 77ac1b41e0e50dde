/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counts what a call allocates once the module is warm, which is nothing: `allocations CASE` */
#include "world.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#define NOTHING ((rtpp_bytes){.data = NULL, .length = 0})
#define WARM_UP 50
#define CALLS 500

/* --- the allocator, counted: these come before the C library's for all of the program --- */

/* Volatile, because the compiler knows that malloc changes no variable. */
static volatile size_t allocations;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size)
{
	allocations++;
	return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	allocations++;
	return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
	allocations++;
	return __libc_realloc(memory, size);
}

void *memalign(size_t alignment, size_t size)
{
	allocations++;
	return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	allocations++;
	return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
	allocations++;
	*memory = __libc_memalign(alignment, size);
	return *memory == NULL ? ENOMEM : 0;
}

/* --- cases --- */

static rtpp_module *module;

static void expect_none(void (*call)(int round))
{
	char url[64];
	int port;
	pid_t rtpproxy = start_rtpproxy(&port);
	snprintf(url, sizeof(url), "udp:127.0.0.1:%d", port);
	module = attached(url);
	pid_t monitor = start_monitor(module);
	for(int round = 0; round < WARM_UP; round++)
		call(round);
	size_t before = allocations;
	for(int round = 0; round < CALLS; round++)
		call(round);
	size_t made = allocations - before;
	if(made != 0)
		fprintf(stderr, "%zu allocations in %d rounds\n", made, CALLS);
	EXPECT(made == 0);
	stop(monitor);
	stop(rtpproxy);
}

static void the_allocator_is_counted(void)
{
	size_t before = allocations;
	void *volatile memory = malloc(10);
	memory = realloc(memory, 20);
	free(memory);
	memory = calloc(1, 10);
	free(memory);
	EXPECT(allocations == before + 3);
	/* What Swift allocates goes through it as well. */
	before = allocations;
	module = created("udp:127.0.0.1:9");
	EXPECT(allocations > before);
}

static void whole_call(int round)
{
	rtpp_message message = invite(1 + round % 8);
	uint8_t output[256];
	size_t length;
	EXPECT(rtpp_offer(module, &message, text("co"), NOTHING) == 1);
	message = ok(1 + round % 8);
	EXPECT(rtpp_answer(module, &message, text("r"), NOTHING) == 1);
	EXPECT(rtpp_statistics(module, &message, output, sizeof(output), &length) == RTPP_OK);
	EXPECT(rtpp_delete(module, &message, NOTHING) == 1);
}

static void a_call_allocates_nothing(void)
{
	expect_none(whole_call);
}

static void managed_call(int round)
{
	rtpp_message message = invite(1 + round % 3);
	EXPECT(rtpp_manage(module, &message, NOTHING, text("198.51.100.1")) == 1);
	message = ok(1 + round % 3);
	EXPECT(rtpp_manage(module, &message, NOTHING, NOTHING) == 1);
	message.is_request = true;
	message.status = 0;
	message.method = RTPP_METHOD_BYE;
	message.has_body = false;
	message.body = message.content_type = NOTHING;
	EXPECT(rtpp_manage(module, &message, NOTHING, NOTHING) == 1);
}

static void a_managed_call_allocates_nothing(void)
{
	expect_none(managed_call);
}

static void refused_call(int round)
{
	rtpp_message message = invite(2);
	(void)round;
	EXPECT(rtpp_offer(module, &message, text("?"), NOTHING) == -1);
	EXPECT(rtpp_offer(module, &message, NOTHING, text("")) == -1);
	message.body.length -= message.body.length / 2 + 20;
	EXPECT(rtpp_offer(module, &message, NOTHING, NOTHING) == -1);
	message.call_id = text("two words");
	EXPECT(rtpp_delete(module, &message, NOTHING) == -1);
}

static void a_refused_call_allocates_nothing(void)
{
	expect_none(refused_call);
}

static void other_functions(int round)
{
	rtpp_message message = ok(1);
	(void)round;
	EXPECT(rtpp_play(module, &message, text("/prompts/music"), -1, true) == 1);
	EXPECT(rtpp_stop_play(module, &message, true) == 1);
	EXPECT(rtpp_record(module, &message) == 1);
	EXPECT(rtpp_select_set_text(module, &message, text("0")) == 1);
}

static void prompts_and_recording_allocate_nothing(void)
{
	expect_none(other_functions);
}

static void figures(int round)
{
	rtpp_message message = ok(1);
	rtpp_figure_value value;
	message.id = 1000 + (uint32_t)round;
	EXPECT(rtpp_figure(module, &message, rtpp_figure_index(module, text("rtpa_nlost")), &value) == RTPP_OK);
	EXPECT(value.is_whole && value.number == 2);
	EXPECT(rtpp_figure(module, &message, rtpp_figure_index(module, text("rtpa_javg")), &value) == RTPP_OK);
	EXPECT(!value.is_whole && value.length == 8);
	EXPECT(rtpp_figure(module, &message, rtpp_figure_index(module, text("mos")), &value) == RTPP_OK);
	EXPECT(rtpp_figure(module, &message, rtpp_figure_index(module, text("ndropped")), &value) == RTPP_NO_VALUE);
}

static void figures_allocate_nothing(void)
{
	expect_none(figures);
}

int main(int argc, char **argv)
{
	static const named_case cases[] = {
			{"the-allocator-is-counted", the_allocator_is_counted},
			{"a-call-allocates-nothing", a_call_allocates_nothing},
			{"a-managed-call-allocates-nothing", a_managed_call_allocates_nothing},
			{"a-refused-call-allocates-nothing", a_refused_call_allocates_nothing},
			{"prompts-and-recording-allocate-nothing", prompts_and_recording_allocate_nothing},
			{"figures-allocate-nothing", figures_allocate_nothing},
	};
	EXPECT(argc == 2);
	return run_case(argv[1], cases, sizeof(cases) / sizeof(cases[0]));
}
