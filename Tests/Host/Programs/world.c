/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See world.h. */
#include "world.h"

#include <arpa/inet.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

world *the_world;
size_t edits_made;

void *shared_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	EXPECT(memory != MAP_FAILED);
	return memory;
}

__attribute__((constructor)) static void make_world(void)
{
	the_world = shared_memory(sizeof(world));
}

/* --- services --- */

static void host_log(rtpp_level level, rtpp_bytes line)
{
	int index = atomic_fetch_add(&the_world->lines_logged, 1);
	if(index < WORLD_LINES)
		snprintf(the_world->lines[index], sizeof(the_world->lines[index]), "%d %.*s", (int)level, (int)line.length,
				(const char *)line.data);
}

static void host_report(const rtpp_report *report)
{
	host_log(report->level, report->line);
}

static uint32_t host_ticks(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint32_t)now.tv_sec;
}

static void host_count(size_t which, uint32_t amount)
{
	EXPECT(which < RTPP_MOST_COUNTERS);
	atomic_fetch_add(&the_world->counts[which], amount);
}

static bool host_variable(void *context, rtpp_variable which, rtpp_bytes *value, bool *is_null)
{
	(void)context, (void)which, (void)value, (void)is_null;
	return false;
}

static void host_set_instance(void *context, rtpp_bytes url)
{
	(void)context, (void)url;
}

static rtpp_body_state host_body_state(void *context)
{
	(void)context;
	return RTPP_BODY_AS_IT_CAME;
}

static bool host_apply_edits(void *context, const rtpp_edit *edits, size_t count)
{
	(void)context, (void)edits;
	edits_made = count;
	return true;
}

static rtpp_transaction host_transaction(void *context)
{
	(void)context;
	return RTPP_TRANSACTION_NONE;
}

static bool host_postpone(void *context, void *record)
{
	(void)context, (void)record;
	return false;
}

static void *host_take_deletion(void)
{
	return NULL;
}

static void *host_take_postponed(void *context)
{
	(void)context;
	return NULL;
}

static bool host_is_wanted(void)
{
	return true;
}

static void host_raise(const rtpp_event *event)
{
	(void)event;
}

static bool host_says_no(void *context)
{
	(void)context;
	return false;
}

static void host_mark_transaction(void *context)
{
	(void)context;
}

static rtpp_suspension host_suspend(void *context, const void *target, void *continuation)
{
	(void)context, (void)target, (void)continuation;
	return RTPP_NOT_SUSPENDED;
}

static rtpp_resumption host_resume(void *record, void *continuation, rtpp_code code, const rtpp_edit *edits,
		size_t count, rtpp_bytes body, rtpp_bytes instance)
{
	(void)record, (void)continuation, (void)code, (void)edits, (void)count, (void)body, (void)instance;
	return RTPP_GONE;
}

static rtpp_resumption host_resume_again(void *record, void *continuation)
{
	(void)record, (void)continuation;
	return RTPP_GONE;
}

static bool host_wants_debug(void)
{
	return false;
}

static bool host_tuning(rtpp_tuning *tuning)
{
	(void)tuning;
	return false;
}

const rtpp_host services = {
		.abi_version = RTPP_ABI_VERSION,
		.log = host_log,
		.report = host_report,
		.wants_debug = host_wants_debug,
		.tuning = host_tuning,
		.ticks = host_ticks,
		.count = host_count,
		.variable = host_variable,
		.set_instance = host_set_instance,
		.body_state = host_body_state,
		.apply_edits = host_apply_edits,
		.transaction = host_transaction,
		.is_within_dialog = host_says_no,
		.is_first_answer = host_says_no,
		.goes_to_websocket = host_says_no,
		.mark_transaction = host_mark_transaction,
		.postpone = host_postpone,
		.take_postponed = host_take_postponed,
		.take_deletion = host_take_deletion,
		.is_wanted = host_is_wanted,
		.raise = host_raise,
		.allocate = malloc,
		.release = free,
		.continuation_size = 64,
		.suspend = host_suspend,
		.resume = host_resume,
		.resume_again = host_resume_again,
};

rtpp_bytes text(const char *string)
{
	return (rtpp_bytes){.data = (const uint8_t *)string, .length = strlen(string)};
}

int lines_with(const char *part)
{
	int found = 0, logged = atomic_load(&the_world->lines_logged);
	for(int i = 0; i < logged && i < WORLD_LINES; i++)
		found += strstr(the_world->lines[i], part) != NULL;
	return found;
}

/* --- module --- */

rtpp_module *created(const char *sock)
{
	rtpp_module *module = NULL;
	EXPECT(rtpp_create(&services, &module) == RTPP_OK);
	EXPECT(module != NULL);
	EXPECT(rtpp_set_text(module, "rtpproxy_sock", text(sock)) == RTPP_OK);
	EXPECT(rtpp_set_number(module, "rtpproxy_tout", 1) == RTPP_OK);
	EXPECT(rtpp_set_number(module, "rtpproxy_retr", 1) == RTPP_OK);
	return module;
}

rtpp_module *shared(const char *sock)
{
	rtpp_module *module = created(sock);
	share(module);
	return module;
}

void share(rtpp_module *module)
{
	EXPECT(rtpp_configure(module) == RTPP_OK);
	size_t size = rtpp_shared_size(module);
	EXPECT(rtpp_share(module, shared_memory(size), size) == RTPP_OK);
}

rtpp_module *attached(const char *sock)
{
	rtpp_module *module = shared(sock);
	/* Its script has $rtpp_stat. */
	rtpp_figure_index(module, (rtpp_bytes){NULL, 0});
	EXPECT(rtpp_attach(module) == RTPP_OK);
	return module;
}

/* --- messages --- */

static rtpp_message message(int streams, bool is_request)
{
	static char body[4096], call_id[64];
	static uint32_t id, call;
	int length =
			snprintf(body, sizeof(body), "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n");
	for(int i = 0; i < streams; i++)
		length += snprintf(body + length, sizeof(body) - (size_t)length,
				"m=audio %d RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n", 4000 + 2 * i);
	id++;
	call += is_request;
	snprintf(call_id, sizeof(call_id), "call-%08u@host", call);
	rtpp_message made = {
			.context = &id,
			.id = id,
			.process = getpid(),
			.is_request = is_request,
			.has_body = true,
			.method = RTPP_METHOD_INVITE,
			.status = is_request ? 0 : 200,
			.route = RTPP_ROUTE_OTHER,
			.content_length = length,
			.content_type = text("application/sdp"),
			.body = {.data = (const uint8_t *)body, .length = (size_t)length},
			.call_id = text(call_id),
			.from_tag = text("caller"),
			.via1_branch = text("z9hG4bK1"),
			.source = text("192.0.2.1"),
			.received = text("192.0.2.9"),
	};
	if(!is_request)
		made.to_tag = text("callee");
	return made;
}

rtpp_message invite(int streams)
{
	return message(streams, true);
}

rtpp_message ok(int streams)
{
	return message(streams, false);
}

/* --- processes --- */

/* Forks; the child ends with its parent, and never lives longer than a case may take. */
static pid_t fork_bounded(void)
{
	pid_t parent = getpid(), process = fork();
	EXPECT(process >= 0);
	if(process == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if(getppid() != parent)
			_exit(1); /* it ended before that was said */
		alarm(30);
	}
	return process;
}

/* Answers each command, `COOKIE SP command`, with what an RTPProxy that can everything says. */
static void answer_commands(int descriptor)
{
	for(;;) {
		struct sockaddr_in peer;
		socklen_t size = sizeof(peer);
		char command[8192], reply[256];
		ssize_t length = recvfrom(descriptor, command, sizeof(command) - 1, 0, (struct sockaddr *)&peer, &size);
		if(length <= 0)
			continue;
		command[length] = '\0';
		char *verb = strchr(command, ' ');
		if(verb == NULL)
			continue;
		*verb++ = '\0';
		const char *words = "0";
		if(strncmp(verb, "VF", 2) == 0)
			words = "1";
		else if(*verb == 'V')
			words = "20040107";
		else if(*verb == 'U' || *verb == 'L')
			words = "35000 192.0.2.77";
		else if(strncmp(verb, "Qv", 2) == 0) /* a call of two streams */
			words = strstr(verb, ";1 ") == NULL && strstr(verb, ";2 ") == NULL ? "E50"
					: strstr(verb, "rtpa_javg") == NULL						   ? "ttl=60 rtpa_nrcvd=9 rtpa_nlost=1"
														: "rtpa_jlast=8.5 rtpa_jmax=16.0 rtpa_javg=8.0";
		else if(*verb == 'Q')
			words = "60 10 20 30 0";
		int replied = snprintf(reply, sizeof(reply), "%s %s\n", command, words);
		sendto(descriptor, reply, (size_t)replied, 0, (struct sockaddr *)&peer, size);
	}
}

pid_t start_rtpproxy(int *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int descriptor = socket(AF_INET, SOCK_DGRAM, 0);
	EXPECT(descriptor >= 0);
	EXPECT(bind(descriptor, (struct sockaddr *)&address, size) == 0);
	EXPECT(getsockname(descriptor, (struct sockaddr *)&address, &size) == 0);
	*port = ntohs(address.sin_port);
	pid_t process = fork_bounded();
	if(process == 0)
		answer_commands(descriptor);
	close(descriptor);
	return process;
}

pid_t start_monitor(rtpp_module *module)
{
	pid_t process = fork_bounded();
	if(process == 0) {
		EXPECT(rtpp_attach(module) == RTPP_OK);
		rtpp_run_monitor(module);
		_exit(1);
	}
	return process;
}

pid_t start(void (*body)(int index), int index)
{
	pid_t process = fork_bounded();
	if(process == 0) {
		body(index);
		_exit(1);
	}
	return process;
}

void stop(pid_t process)
{
	int status;
	EXPECT(kill(process, SIGKILL) == 0);
	EXPECT(waitpid(process, &status, 0) == process);
	/* It has to be there until now: an earlier end is a failure. */
	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

void in_processes(int count, void (*body)(int index))
{
	pid_t processes[64];
	EXPECT(count <= 64);
	for(int i = 0; i < count; i++) {
		processes[i] = fork_bounded();
		if(processes[i] == 0) {
			body(i);
			_exit(0);
		}
	}
	for(int i = 0; i < count; i++) {
		int status;
		EXPECT(waitpid(processes[i], &status, 0) == processes[i]);
		EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
}

void meet(int count, int time)
{
	atomic_fetch_add(&the_world->arrived, 1);
	while(atomic_load(&the_world->arrived) < count * time)
		sched_yield();
}
