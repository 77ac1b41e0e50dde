// SPDX-License-Identifier: GPL-2.0-or-later
// The stream connections of the scripted RTPProxy: commands without a cookie, each ended by LF, answered in their order.
//
// One on which commands of two calls have come at once is that of a process with many calls under way. From then on it is
// never idle: the last answer is held back until the next command has come.

#include "common.h"
#include "programs.h"
#include "relay.h"
#include "sessions.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

static struct connection {
	int relay;
	int is_busy;
	unsigned filled;
	char bytes[8192];
	// The answer that is held back, where there is one, and until when at most.
	int held_length;
	int64_t held_until;
	char held[longest_answer];
} connections[most_connections];
// How long an answer is held back at most: much longer than calls that go on take to the next command, even where the
// machine has other things to do.
static const int64_t longest_hold = 1000000000;
// How many answers were held back until the next command came, and how many for so long.
static uint64_t holds, pauses;
struct pollfd waiting[first_connection + most_connections];
unsigned waiting_count = first_listener;

static int listen_at(const struct sockaddr *name, socklen_t length)
{
	int made = socket(name->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	if(made < 0 || setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) || bind(made, name, length)
			|| listen(made, most_connections))
		return -1;
	return made;
}

int listen_for_connections(const char *path, uint16_t port)
{
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	struct sockaddr_in remote = {
			.sin_family = AF_INET, .sin_addr.s_addr = htonl(127 << 24 | 1 << 8 | 2), .sin_port = htons(port)};
	if(strlen(path) >= sizeof local.sun_path)
		return 0;
	strcpy(local.sun_path, path);
	waiting[first_listener].fd = listen_at((struct sockaddr *)&local, sizeof local);
	waiting[first_listener + 1].fd = listen_at((struct sockaddr *)&remote, sizeof remote);
	waiting[first_listener].events = waiting[first_listener + 1].events = POLLIN;
	waiting_count = first_connection;
	return waiting[first_listener].fd >= 0 && waiting[first_listener + 1].fd >= 0;
}

static void take_connection(int listener, int relay)
{
	int made = accept4(listener, NULL, NULL, SOCK_CLOEXEC), on = 1;
	if(made < 0)
		return;
	if(waiting_count == sizeof waiting / sizeof *waiting) {
		close(made);
		return;
	}
	setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	struct connection *connection = &connections[waiting_count - first_connection];
	connection->relay = relay;
	connection->is_busy = 0;
	connection->filled = 0;
	connection->held_length = 0;
	waiting[waiting_count++] = (struct pollfd){.fd = made, .events = POLLIN};
}

static int send_held(int descriptor, struct connection *connection)
{
	int length = connection->held_length;
	connection->held_length = 0;
	return !length || send(descriptor, connection->held, length, MSG_NOSIGNAL) == length;
}

// Whether two commands name two calls.
static int are_of_two_calls(const char *one, const char *one_end, const char *other, const char *other_end)
{
	const char *ends[2] = {one_end, other_end}, *calls[2] = {one, other};
	size_t lengths[2];
	for(int i = 0; i < 2; i++) {
		calls[i] = memchr(calls[i], ' ', ends[i] - calls[i]);
		if(!calls[i])
			return 0;
		calls[i]++;
		const char *end = memchr(calls[i], ' ', ends[i] - calls[i]);
		lengths[i] = (end ? end : ends[i]) - calls[i];
	}
	return lengths[0] != lengths[1] || memcmp(calls[0], calls[1], lengths[0]);
}

// Answers the commands that have come whole. 0: the connection is over.
static int serve_connection(int descriptor, struct connection *connection)
{
	ssize_t length =
			recv(descriptor, connection->bytes + connection->filled, sizeof connection->bytes - connection->filled, 0);
	if(length <= 0)
		return 0;
	connection->filled += length;
	char *command = connection->bytes, *end = command + connection->filled, *line_end;
	char *former = NULL, *former_end = NULL;
	while((line_end = memchr(command, '\n', end - command))) {
		char answer[longest_answer], verb = *command & ~0x20;
		if(former && !connection->is_busy)
			connection->is_busy = are_of_two_calls(former, former_end, command, line_end);
		if(!is_probe(verb) && are_sessions_kept())
			count_command(0);
		// Where the cookie would stand there is nothing, and then a blank.
		int said = say(verb, command, line_end, connection->relay, "", 0, answer);
		if(said <= 1 || said >= longest_answer)
			return 0;
		holds += connection->held_length > 0;
		if(!send_held(descriptor, connection))
			return 0;
		memcpy(connection->held, answer + 1, said - 1);
		connection->held_length = said - 1;
		if(!connection->is_busy && !send_held(descriptor, connection))
			return 0;
		connection->held_until = bench_now() + longest_hold;
		former = command;
		former_end = line_end;
		command = line_end + 1;
	}
	connection->filled = end - command;
	memmove(connection->bytes, command, connection->filled);
	return connection->filled < sizeof connection->bytes;
}

int64_t send_overdue(void)
{
	int64_t next = -1, now = 0;
	for(unsigned i = first_connection; i < waiting_count; i++) {
		struct connection *connection = &connections[i - first_connection];
		if(!connection->held_length)
			continue;
		now = now ? now : bench_now();
		int64_t left = connection->held_until - now;
		if(left <= 0) {
			pauses++;
			// Where that fails, reading does as well.
			(void)send_held(waiting[i].fd, connection);
		} else if(next < 0 || left < next) {
			next = left;
		}
	}
	return next;
}

void serve_connections(void)
{
	for(unsigned i = first_connection; i < waiting_count;) {
		if(!waiting[i].revents || serve_connection(waiting[i].fd, &connections[i - first_connection])) {
			i++;
			continue;
		}
		close(waiting[i].fd);
		waiting[i] = waiting[--waiting_count];
		connections[i - first_connection] = connections[waiting_count - first_connection];
	}
	for(int i = 0; i < 2 && waiting_count >= first_connection; i++)
		if(waiting[first_listener + i].revents)
			take_connection(waiting[first_listener + i].fd, i);
}

void write_holds(char *text, size_t size)
{
	snprintf(text, size, "%llu %llu", (unsigned long long)holds, (unsigned long long)pauses);
}
