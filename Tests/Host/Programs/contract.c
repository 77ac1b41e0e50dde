/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Holds the Swift half to its side of rtpp_abi.h: statuses, life cycle, sizes. `contract CASE` */
#include "world.h"

#include <stdlib.h>
#include <sys/mman.h>

#define NOTHING ((rtpp_bytes){.data = NULL, .length = 0})

static void both_sides_speak_one_version(void)
{
	EXPECT(rtpp_abi_version() == RTPP_ABI_VERSION);
}

static void another_version_is_refused(void)
{
	const uint32_t others[] = {0, RTPP_ABI_VERSION + 1, UINT32_MAX};
	for(size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		rtpp_host host = services;
		rtpp_module *module = NULL;
		host.abi_version = others[i];
		EXPECT(rtpp_create(&host, &module) == RTPP_BAD_VERSION);
		EXPECT(module == NULL);
	}
}

static void null_is_refused_at_creation(void)
{
	rtpp_module *module = NULL;
	EXPECT(rtpp_create(NULL, &module) == RTPP_BAD_ARGUMENT);
	EXPECT(module == NULL);
	EXPECT(rtpp_create(&services, NULL) == RTPP_BAD_ARGUMENT);
}

/* Creates with a host that lacks one service. */
#define CREATED_WITHOUT(service)                           \
	({                                                     \
		rtpp_host lacking = services;                      \
		rtpp_module *made = NULL;                          \
		lacking.service = NULL;                            \
		rtpp_status status = rtpp_create(&lacking, &made); \
		EXPECT(made == NULL);                              \
		status;                                            \
	})

static void a_missing_service_is_refused(void)
{
	EXPECT(CREATED_WITHOUT(log) == RTPP_BAD_ARGUMENT);
	EXPECT(CREATED_WITHOUT(ticks) == RTPP_BAD_ARGUMENT);
	EXPECT(CREATED_WITHOUT(count) == RTPP_BAD_ARGUMENT);
	EXPECT(CREATED_WITHOUT(variable) == RTPP_BAD_ARGUMENT);
	EXPECT(CREATED_WITHOUT(set_instance) == RTPP_BAD_ARGUMENT);
	EXPECT(CREATED_WITHOUT(body_state) == RTPP_BAD_ARGUMENT);
	EXPECT(CREATED_WITHOUT(apply_edits) == RTPP_BAD_ARGUMENT);
	EXPECT(CREATED_WITHOUT(transaction) == RTPP_BAD_ARGUMENT);
	EXPECT(CREATED_WITHOUT(is_within_dialog) == RTPP_BAD_ARGUMENT);
	EXPECT(CREATED_WITHOUT(is_first_answer) == RTPP_BAD_ARGUMENT);
	EXPECT(CREATED_WITHOUT(goes_to_websocket) == RTPP_BAD_ARGUMENT);
	EXPECT(CREATED_WITHOUT(mark_transaction) == RTPP_BAD_ARGUMENT);
	EXPECT(CREATED_WITHOUT(postpone) == RTPP_BAD_ARGUMENT);
	EXPECT(CREATED_WITHOUT(take_postponed) == RTPP_BAD_ARGUMENT);
	EXPECT(CREATED_WITHOUT(take_deletion) == RTPP_BAD_ARGUMENT);
	EXPECT(CREATED_WITHOUT(is_wanted) == RTPP_BAD_ARGUMENT);
	EXPECT(CREATED_WITHOUT(raise) == RTPP_BAD_ARGUMENT);
	EXPECT(CREATED_WITHOUT(report) == RTPP_BAD_ARGUMENT);
}

static void null_module_is_refused(void)
{
	rtpp_message message = invite(1);
	rtpp_node_info info;
	rtpp_probe_info probed;
	rtpp_figure_value figure;
	uint8_t output[16];
	size_t length;
	int64_t one = 1;
	EXPECT(rtpp_set_text(NULL, "rtpproxy_sock", text("udp:127.0.0.1")) == RTPP_BAD_ARGUMENT);
	EXPECT(rtpp_set_number(NULL, "rtpproxy_tout", 1) == RTPP_BAD_ARGUMENT);
	EXPECT(rtpp_check_set(NULL, 0) == RTPP_BAD_ARGUMENT);
	EXPECT(rtpp_add_row(NULL, 0, text("0"), text("udp:127.0.0.1"), &one, &one) == RTPP_BAD_ARGUMENT);
	EXPECT(rtpp_configure(NULL) == RTPP_BAD_ARGUMENT);
	EXPECT(rtpp_shared_size(NULL) == 0);
	EXPECT(rtpp_share(NULL, output, sizeof(output)) == RTPP_BAD_ARGUMENT);
	EXPECT(rtpp_attach(NULL) == RTPP_BAD_ARGUMENT);
	EXPECT(rtpp_offer(NULL, &message, NOTHING, NOTHING) == -1);
	EXPECT(rtpp_answer(NULL, &message, NOTHING, NOTHING) == -1);
	EXPECT(rtpp_manage(NULL, &message, NOTHING, NOTHING) == -1);
	EXPECT(rtpp_delete(NULL, &message, NOTHING) == -1);
	EXPECT(rtpp_select_set(NULL, &message, 0) == -1);
	EXPECT(rtpp_select_set_text(NULL, &message, text("0")) == -1);
	EXPECT(rtpp_play(NULL, &message, text("music"), 1, false) == -1);
	EXPECT(rtpp_stop_play(NULL, &message, false) == -1);
	EXPECT(rtpp_record(NULL, &message) == -1);
	EXPECT(rtpp_statistics(NULL, &message, output, sizeof(output), &length) == RTPP_BAD_ARGUMENT);
	EXPECT(rtpp_figure(NULL, &message, 0, &figure) == RTPP_BAD_ARGUMENT);
	EXPECT(rtpp_node_count(NULL) == 0);
	EXPECT(rtpp_node(NULL, 0, &info) == RTPP_BAD_ARGUMENT);
	EXPECT(rtpp_enable(NULL, text("udp:127.0.0.1"), true) == RTPP_BAD_ARGUMENT);
	EXPECT(rtpp_probe(NULL, NOTHING, &length) == RTPP_BAD_ARGUMENT);
	EXPECT(rtpp_probed(NULL, 0, &probed) == RTPP_BAD_ARGUMENT);
	rtpp_run_monitor(NULL);
	rtpp_destroy(NULL);
}

static void null_argument_is_refused(void)
{
	rtpp_module *module = attached("udp:127.0.0.1:9");
	rtpp_message message = invite(1);
	rtpp_figure_value figure;
	uint8_t output[16];
	size_t length = 0;
	EXPECT(rtpp_set_text(module, NULL, text("x")) == RTPP_BAD_ARGUMENT);
	EXPECT(rtpp_set_number(module, NULL, 1) == RTPP_BAD_ARGUMENT);
	EXPECT(rtpp_share(module, NULL, 1 << 20) == RTPP_BAD_ARGUMENT);
	EXPECT(rtpp_offer(module, NULL, NOTHING, NOTHING) == -1);
	EXPECT(rtpp_answer(module, NULL, NOTHING, NOTHING) == -1);
	EXPECT(rtpp_manage(module, NULL, NOTHING, NOTHING) == -1);
	EXPECT(rtpp_delete(module, NULL, NOTHING) == -1);
	EXPECT(rtpp_select_set(module, NULL, 0) == -1);
	EXPECT(rtpp_select_set_text(module, NULL, text("0")) == -1);
	EXPECT(rtpp_play(module, NULL, text("music"), 1, false) == -1);
	EXPECT(rtpp_stop_play(module, NULL, false) == -1);
	EXPECT(rtpp_record(module, NULL) == -1);
	EXPECT(rtpp_statistics(module, NULL, output, sizeof(output), &length) == RTPP_BAD_ARGUMENT);
	EXPECT(rtpp_statistics(module, &message, NULL, sizeof(output), &length) == RTPP_BAD_ARGUMENT);
	EXPECT(rtpp_statistics(module, &message, output, sizeof(output), NULL) == RTPP_BAD_ARGUMENT);
	EXPECT(rtpp_figure(module, NULL, 0, &figure) == RTPP_BAD_ARGUMENT);
	EXPECT(rtpp_figure(module, &message, 0, NULL) == RTPP_BAD_ARGUMENT);
	EXPECT(rtpp_figure_index(NULL, NOTHING) == -1);
	EXPECT(rtpp_node(module, 0, NULL) == RTPP_BAD_ARGUMENT);
}

static void absent_fields_are_no_message(void)
{
	rtpp_module *module = attached("udp:127.0.0.1:9");
	rtpp_message nothing = {.context = module, .content_length = -1};
	EXPECT(rtpp_offer(module, &nothing, NOTHING, NOTHING) == -1);
	EXPECT(rtpp_answer(module, &nothing, NOTHING, NOTHING) == -1);
	EXPECT(rtpp_manage(module, &nothing, NOTHING, NOTHING) == -1);
	EXPECT(rtpp_delete(module, &nothing, NOTHING) == -1);
	EXPECT(rtpp_record(module, &nothing) == -1);
}

static void a_node_beyond_the_last_is_not_found(void)
{
	rtpp_module *module = attached("udp:127.0.0.1:9 udp:127.0.0.1:11");
	rtpp_node_info info;
	EXPECT(rtpp_node_count(module) == 2);
	EXPECT(rtpp_node(module, 1, &info) == RTPP_OK);
	EXPECT(rtpp_node(module, 2, &info) == RTPP_NOT_FOUND);
	EXPECT(rtpp_node(module, SIZE_MAX, &info) == RTPP_NOT_FOUND);
}

static void an_unknown_url_is_not_found(void)
{
	rtpp_module *module = attached("udp:127.0.0.1:9");
	EXPECT(rtpp_enable(module, text("udp:127.0.0.1:11"), false) == RTPP_NOT_FOUND);
	EXPECT(rtpp_enable(module, text("udp:127.0.0.1:"), false) == RTPP_NOT_FOUND);
	EXPECT(rtpp_enable(module, NOTHING, false) != RTPP_OK);
	EXPECT(rtpp_enable(module, text("udp:127.0.0.1:9"), false) == RTPP_OK);
}

static void too_small_a_block_is_refused(void)
{
	rtpp_module *module = created("udp:127.0.0.1:9 udp:127.0.0.1:11");
	EXPECT(rtpp_configure(module) == RTPP_OK);
	size_t size = rtpp_shared_size(module);
	void *block = shared_memory(size);
	EXPECT(size > 0);
	EXPECT(rtpp_share(module, block, size - 1) == RTPP_BAD_SHARED_MEMORY);
	EXPECT(rtpp_share(module, block, 0) == RTPP_BAD_SHARED_MEMORY);
	EXPECT(rtpp_attach(module) != RTPP_OK);
	EXPECT(rtpp_share(module, block, size) == RTPP_OK);
	EXPECT(rtpp_attach(module) == RTPP_OK);
}

static void each_node_needs_room(void)
{
	rtpp_module *one = created("udp:127.0.0.1:9");
	rtpp_module *three = created("udp:127.0.0.1:9 udp:127.0.0.1:11 udp:127.0.0.1:13");
	EXPECT(rtpp_configure(one) == RTPP_OK && rtpp_configure(three) == RTPP_OK);
	EXPECT(rtpp_shared_size(three) > rtpp_shared_size(one));
}

static void a_scribbled_block_is_refused(void)
{
	rtpp_module *module = created("udp:127.0.0.1:9");
	EXPECT(rtpp_configure(module) == RTPP_OK);
	size_t size = rtpp_shared_size(module);
	uint8_t *block = shared_memory(size);
	EXPECT(rtpp_share(module, block, size) == RTPP_OK);
	memset(block, 0xA5, 16);
	EXPECT(rtpp_attach(module) == RTPP_BAD_SHARED_MEMORY);
}

static void calls_before_attaching_fail(void)
{
	rtpp_module *module = created("udp:127.0.0.1:9");
	rtpp_message message = invite(1);
	EXPECT(rtpp_attach(module) != RTPP_OK);
	EXPECT(rtpp_offer(module, &message, NOTHING, NOTHING) == -1);
	EXPECT(rtpp_configure(module) == RTPP_OK);
	EXPECT(rtpp_attach(module) != RTPP_OK);
	EXPECT(rtpp_offer(module, &message, NOTHING, NOTHING) == -1);
}

static void faults_are_reported_all_at_once(void)
{
	rtpp_module *module = NULL;
	EXPECT(rtpp_create(&services, &module) == RTPP_OK);
	EXPECT(rtpp_set_text(module, "rtpproxy_sock", text("carrier-pigeon:roof")) == RTPP_OK);
	EXPECT(rtpp_set_number(module, "rtpproxy_tout", 0) == RTPP_OK);
	EXPECT(rtpp_set_text(module, "rtpproxy_sock", text("one == udp:127.0.0.1:9")) == RTPP_OK);
	EXPECT(rtpp_configure(module) == RTPP_BAD_CONFIGURATION);
	EXPECT(lines_with("carrier-pigeon:roof") == 1);
	EXPECT(lines_with("rtpproxy_tout") == 1);
	EXPECT(lines_with("one") >= 1);
	rtpp_destroy(module);
}

static void too_small_an_output_says_what_is_needed(void)
{
	static const char statistics[] = "60 10 20 30 0";
	const size_t needed = sizeof(statistics) - 1;
	char url[64];
	uint8_t output[64];
	size_t length = 0;
	int port;
	pid_t rtpproxy = start_rtpproxy(&port);
	snprintf(url, sizeof(url), "udp:127.0.0.1:%d", port);
	rtpp_module *module = attached(url);
	pid_t monitor = start_monitor(module);
	rtpp_message message = ok(1);
	memset(output, '#', sizeof(output));
	EXPECT(rtpp_statistics(module, &message, output, 0, &length) == RTPP_TOO_SMALL);
	EXPECT(length == needed);
	length = 0;
	EXPECT(rtpp_statistics(module, &message, output, needed - 1, &length) == RTPP_TOO_SMALL);
	EXPECT(length == needed);
	EXPECT(output[needed - 1] == '#');
	EXPECT(rtpp_statistics(module, &message, output, needed, &length) == RTPP_OK);
	EXPECT(length == needed && memcmp(output, statistics, needed) == 0);
	EXPECT(output[needed] == '#');
	stop(monitor);
	stop(rtpproxy);
}

static void input_is_never_written_to(void)
{
	char url[64];
	int port;
	pid_t rtpproxy = start_rtpproxy(&port);
	snprintf(url, sizeof(url), "udp:127.0.0.1:%d", port);
	rtpp_module *module = attached(url);
	pid_t monitor = start_monitor(module);
	rtpp_message message = invite(3);
	size_t page = 65536;
	char *kept = shared_memory(page);
	memcpy(kept, message.body.data, message.body.length);
	message.body.data = (const uint8_t *)kept;
	EXPECT(mprotect(kept, page, PROT_READ) == 0);
	EXPECT(rtpp_offer(module, &message, NOTHING, NOTHING) == 1);
	EXPECT(edits_made > 0);
	stop(monitor);
	stop(rtpproxy);
}

static void nothing_behind_the_body_is_read(void)
{
	char url[64];
	int port;
	pid_t rtpproxy = start_rtpproxy(&port);
	snprintf(url, sizeof(url), "udp:127.0.0.1:%d", port);
	rtpp_module *module = attached(url);
	pid_t monitor = start_monitor(module);
	rtpp_message message = invite(2);
	size_t page = 65536;
	char *room = shared_memory(2 * page);
	/* The body ends where memory does, and is cut at every byte. */
	EXPECT(mprotect(room + page, page, PROT_NONE) == 0);
	const uint8_t *whole = message.body.data;
	for(size_t length = 1; length <= message.body.length; length += 1 + length / 8) {
		rtpp_message cut = message;
		memcpy(room + page - length, whole, length);
		cut.body = (rtpp_bytes){.data = (const uint8_t *)(room + page - length), .length = length};
		cut.content_length = (int64_t)length;
		rtpp_code code = rtpp_offer(module, &cut, NOTHING, NOTHING);
		EXPECT(code == 1 || code == -1);
	}
	stop(monitor);
	stop(rtpproxy);
}

int main(int argc, char **argv)
{
	static const named_case cases[] = {
			{"both-sides-speak-one-version", both_sides_speak_one_version},
			{"another-version-is-refused", another_version_is_refused},
			{"null-is-refused-at-creation", null_is_refused_at_creation},
			{"a-missing-service-is-refused", a_missing_service_is_refused},
			{"null-module-is-refused", null_module_is_refused},
			{"null-argument-is-refused", null_argument_is_refused},
			{"absent-fields-are-no-message", absent_fields_are_no_message},
			{"a-node-beyond-the-last-is-not-found", a_node_beyond_the_last_is_not_found},
			{"an-unknown-url-is-not-found", an_unknown_url_is_not_found},
			{"too-small-a-block-is-refused", too_small_a_block_is_refused},
			{"each-node-needs-room", each_node_needs_room},
			{"a-scribbled-block-is-refused", a_scribbled_block_is_refused},
			{"calls-before-attaching-fail", calls_before_attaching_fail},
			{"faults-are-reported-all-at-once", faults_are_reported_all_at_once},
			{"too-small-an-output-says-what-is-needed", too_small_an_output_says_what_is_needed},
			{"input-is-never-written-to", input_is_never_written_to},
			{"nothing-behind-the-body-is-read", nothing_behind_the_body_is_read},
	};
	EXPECT(argc == 2);
	return run_case(argv[1], cases, sizeof(cases) / sizeof(cases[0]));
}
