// SPDX-License-Identifier: GPL-2.0-or-later
// The load generator: keeps a number of requests in flight, and says how long each took.

#include "common.h"
#include "dialog.h"
#include "invite.h"
#include "programs.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { most_calls = BENCH_MAXIMUM_CALLS };

// When each call was sent; 0 once it is over.
static int64_t sent_at[most_calls];
// Of calls of several requests: when the last one was sent. Patience is for each of them.
static int64_t moved_at[most_calls];
static int64_t took[most_calls];
static struct {
	unsigned sent, right, wrong, refused, lost, in_flight, answered, oldest;
} calls;

// Where there are several Kamailios it is connected to none of them.
static int open_socket(const struct sockaddr_in *hosts, int count, uint16_t *local)
{
	end_with_parent();
	prctl(PR_SET_TIMERSLACK, 1UL);
	*local = 0;
	int made = udp_socket(INADDR_LOOPBACK, local);
	if(made < 0 || (count == 1 && connect(made, (const struct sockaddr *)hosts, sizeof *hosts))) {
		printf("no socket: %s\n", strerror(errno));
		exit(1);
	}
	return made;
}

// Reads "PORT,PORT"; returns how many those are.
static int read_hosts(const char *ports, struct sockaddr_in *hosts)
{
	int count = 0;
	for(const char *at = ports; at && count < most_hosts; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
		hosts[count++] = (struct sockaddr_in){
				.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(atoi(at))};
	return count;
}

static void wait_for(int socket, int64_t nanoseconds)
{
	struct pollfd waiting = {.fd = socket, .events = POLLIN};
	struct timespec time = {nanoseconds / 1000000000, nanoseconds % 1000000000};
	if(nanoseconds > 0)
		ppoll(&waiting, 1, &time, NULL);
}

static void finish(unsigned number, enum outcome outcome, int64_t now)
{
	took[calls.answered++] = now - sent_at[number];
	sent_at[number] = 0;
	calls.in_flight--;
	calls.right += outcome == outcome_right;
	calls.wrong += outcome == outcome_wrong;
	calls.refused += outcome == outcome_refused;
}

// Takes what has come in; whole calls where there is no request.
static void receive(int socket, const struct request *request, struct request *ack, unsigned run)
{
	static char bytes[65536];
	struct sockaddr_in from;
	socklen_t size = sizeof from;
	ssize_t length;
	while((length = recvfrom(socket, bytes, sizeof bytes - 1, MSG_DONTWAIT, (struct sockaddr *)&from, &size)) >= 0
			|| errno == ECONNREFUSED) {
		unsigned number;
		int has_moved = 0;
		if(length < 0)
			continue;
		int64_t now = bench_now();
		enum outcome outcome = request ? check_answer(request, bytes, length, run, &number)
									   : step_dialog(bytes, length, &from, &number, &has_moved);
		if(has_moved)
			moved_at[number] = now;
		if(outcome == outcome_other || number >= calls.sent || !sent_at[number])
			continue;
		finish(number, outcome, now);
		int length_of_ack = ack ? complete_ack(ack, bytes) : 0;
		if(length_of_ack > 0) {
			number_request(ack, number);
			send(socket, ack->text, length_of_ack, 0);
		}
	}
}

// Gives up calls that have waited too long; returns when the next one will have, INT64_MAX if there is none. Where it
// `counts`, they are among the times. Whole calls that are given up are told of.
static int64_t give_up(int64_t now, int64_t patience, int counts, int tells)
{
	for(; calls.oldest < calls.sent; calls.oldest++) {
		int64_t at = sent_at[calls.oldest];
		if(!at)
			continue;
		if(moved_at[calls.oldest])
			at = moved_at[calls.oldest];
		if(now < at + patience)
			return at + patience;
		sent_at[calls.oldest] = 0;
		calls.in_flight--;
		calls.lost++;
		if(tells)
			print_hanging_dialog(calls.oldest);
		if(counts)
			took[calls.answered++] = patience;
	}
	return INT64_MAX;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static long long percentile(double part)
{
	if(!calls.answered)
		return 0;
	unsigned index = part * calls.answered;
	return took[index < calls.answered ? index : calls.answered - 1];
}

// usage: load PORT[,PORT...] offer|plain|call|dialog|suspend|options STREAMS IN_FLIGHT CALLS MILLISECONDS PER_SECOND
//   PATIENCE_MS RELAYS
//
// An INVITE for the user of that name, or an OPTIONS. offer and plain are forwarded, call and OPTIONS are answered by
// the script, suspend never is, dialog is a whole call (dialog.c). Ends after CALLS or MILLISECONDS, whichever comes first,
// when all are answered or given up. PER_SECOND 0: as fast as the calls in flight allow. The requests of whole calls are
// spread over the Kamailios at these ports; the others go to the first. RELAYS: so many real ones
// there are (invite.h); 0: the scripted one.
int bench_load(int argc, char **argv)
{
	if(argc != 10)
		return 2;
	struct sockaddr_in hosts[most_hosts];
	int host_count = read_hosts(argv[1], hosts);
	uint16_t kamailio = ntohs(hosts[0].sin_port), local;
	unsigned most = atoi(argv[5]), window = atoi(argv[4]);
	int64_t longest = atoll(argv[6]) * 1000000, patience = atoll(argv[8]) * 1000000;
	int64_t apart = atoi(argv[7]) ? 1000000000 / atoi(argv[7]) : 0;
	if(most > most_calls)
		most = most_calls;
	int is_dialog = !strcmp(argv[2], "dialog");
	if(!is_dialog)
		host_count = 1;
	int socket = open_socket(hosts, host_count, &local);
	expect_real_relays(atoi(argv[9]));
	unsigned run = getpid() ^ (unsigned)bench_now() << 8;
	static struct request request;
	static struct request ack;
	int is_options = !strcmp(argv[2], "options"), is_acknowledged = !strcmp(argv[2], "call");
	if(is_dialog)
		make_dialogs(socket, local, hosts, host_count, run, atoi(argv[3]));
	else if(is_options)
		make_options(&request, local, kamailio, run);
	else
		make_invite(&request, local, kamailio, run, atoi(argv[3]), argv[2]);
	if(is_acknowledged)
		make_ack(&ack, local, kamailio, run, argv[2], 1);

	int64_t start = bench_now(), now = start, due = start, wake;
	for(;;) {
		while(calls.in_flight < window && calls.sent < most && now < start + longest && now >= due) {
			unsigned number = calls.sent++;
			sent_at[number] = now = bench_now();
			calls.in_flight++;
			due = apart ? (due + apart > now ? due + apart : now) : 0;
			if(is_dialog) {
				begin_dialog(number);
			} else {
				number_request(&request, number);
				send(socket, request.text, request.length, 0);
			}
		}
		int more = calls.sent < most && now < start + longest;
		wake = give_up(now, patience, is_options, is_dialog);
		int64_t next_due = is_dialog ? send_what_is_due(now) : INT64_MAX;
		if(next_due < wake)
			wake = next_due;
		if(!more && !calls.in_flight)
			break;
		if(more && calls.in_flight < window && due < wake)
			wake = due;
		if(more && start + longest < wake)
			wake = start + longest;
		wait_for(socket, wake - now);
		receive(socket, is_dialog ? NULL : &request, is_acknowledged ? &ack : NULL, run);
		now = bench_now();
	}
	int64_t end = now;
	qsort(took, calls.answered, sizeof *took, compare);
	printf("sent %u right %u wrong %u refused %u lost %u elapsed %lld p50 %lld p99 %lld worst %lld\n", calls.sent,
			calls.right, calls.wrong, calls.refused, calls.lost, (long long)(end - start), percentile(0.5),
			percentile(0.99), percentile(1));
	if(is_dialog)
		print_dialogs();
	return 0;
}

// usage: first PORT options|both MILLISECONDS
//
// Each 5 ms an OPTIONS, and an INVITE for the module too where both are wanted, until each is answered as it must be.
// Prints when that was, 0 for never; "wrong" as soon as an INVITE is forwarded as it must not be.
int bench_first(int argc, char **argv)
{
	if(argc != 4)
		return 2;
	struct sockaddr_in hosts[most_hosts];
	read_hosts(argv[1], hosts);
	uint16_t kamailio = ntohs(hosts[0].sin_port), local;
	int kinds = strcmp(argv[2], "both") ? 1 : 2;
	int socket = open_socket(hosts, 1, &local);
	unsigned run = getpid() ^ (unsigned)bench_now() << 8;
	static struct request requests[2];
	static char bytes[65536];
	int64_t answered[2] = {0};
	make_options(&requests[0], local, kamailio, run);
	make_invite(&requests[1], local, kamailio, run + 1, 1, "offer");
	printf("sending\n");
	fflush(stdout);

	int64_t end = bench_now() + atoll(argv[3]) * 1000000;
	for(unsigned sent = 0; bench_now() < end && !(answered[0] && answered[kinds - 1]); sent++) {
		for(int kind = 0; kind < kinds; kind++) {
			number_request(&requests[kind], sent);
			if(!answered[kind])
				send(socket, requests[kind].text, requests[kind].length, 0);
		}
		int64_t next = bench_now() + 5000000;
		for(int64_t now; (now = bench_now()) < next && !(answered[0] && answered[kinds - 1]);) {
			wait_for(socket, next - now);
			ssize_t length = recv(socket, bytes, sizeof bytes - 1, MSG_DONTWAIT);
			unsigned number;
			for(int kind = 0; kind < kinds && length >= 0; kind++) {
				enum outcome outcome = check_answer(&requests[kind], bytes, length, run + kind, &number);
				if(outcome == outcome_right && !answered[kind])
					answered[kind] = bench_now();
				if(outcome == outcome_wrong) {
					printf("wrong\n");
					return 0;
				}
			}
		}
	}
	printf("answered %lld %lld\n", (long long)answered[0], (long long)answered[kinds - 1]);
	return 0;
}
