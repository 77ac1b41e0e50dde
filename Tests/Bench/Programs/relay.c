// SPDX-License-Identifier: GPL-2.0-or-later
// A scripted RTPProxy that costs next to nothing: many addresses on one socket, answers after a fixed delay.
//
// Relay i is 127.0.(1 + i / 250).(1 + i % 250), all on one port, so that a thousand of them need one socket. An answer
// comes from the address that was asked, and says the same each time, so nothing has to be remembered. Only where it is
// told to, it keeps sessions as RTPProxy does, and loses answers too. It may take commands on stream connections besides: on
// a unix socket those to relay 0, over TCP those to relay 1.

#include "common.h"
#include "programs.h"
#include "relay.h"
#include "sessions.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum {
	batch = 64,
	places = 1 << 16,
};

// An answer that waits for its time.
struct answer {
	int64_t due;
	struct sockaddr_in to;
	struct in_addr from;
	int length;
	char text[longest_answer];
};

static struct answer queue[places];
static unsigned queue_first, queue_end;

static struct {
	int silent;
	uint64_t probes, others;
} relays[BENCH_MAXIMUM_RELAYS];

static int64_t delay;
static uint32_t loss; // per million
static uint64_t dice;
static uint64_t dropped;

// The number of the relay with this address; -1 if there is none.
static int relay_at(struct in_addr address)
{
	uint32_t bits = ntohl(address.s_addr);
	uint32_t third = bits >> 8 & 0xFF, fourth = bits & 0xFF;
	if(bits >> 16 != (127 << 8) || third < 1 || fourth < 1 || fourth > 250)
		return -1;
	int relay = (third - 1) * 250 + fourth - 1;
	return relay < BENCH_MAXIMUM_RELAYS ? relay : -1;
}

static int is_lost(void)
{
	if(!loss)
		return 0;
	// splitmix64
	uint64_t x = dice += 0x9E3779B97F4A7C15;
	x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
	x = (x ^ x >> 27) * 0x94D049BB133111EB;
	return (x ^ x >> 31) % 1000000 < loss;
}

// The media stream's number behind the last semicolon of the first tag: "U callid address port tag;n", "Q callid tag;n".
static int stream_of(const char *command, const char *end)
{
	int words = 0, before = (*command & ~0x20) == 'Q' ? 2 : 4;
	unsigned number = 0;
	for(; command < end && words < before; command++)
		words += *command == ' ';
	for(; command < end && *command != ' '; command++) {
		if(*command == ';')
			number = 0;
		else if(*command >= '0' && *command <= '9')
			number = number * 10 + *command - '0';
	}
	return number;
}

// What a session that is there or not makes of a command; NULL where that makes no difference.
static const char *fault_without_session(char verb, const char *command, const char *end, int relay)
{
	const char *call = memchr(command, ' ', end - command);
	if(!call || !strchr("ULDQ", verb))
		return NULL;
	call++;
	const char *call_end = memchr(call, ' ', end - call);
	size_t length = (call_end ? call_end : end) - call;
	switch(verb) {
		case 'U':
			return make_session(relay, call, length, bench_now()) ? NULL : "E71";
		case 'L':
			// The second stream has sent nothing since the offer.
			if(stream_of(command, end) > 1)
				return "0";
			return find_session(relay, call, length, bench_now()) ? NULL : "0";
		case 'D':
			return delete_session(relay, call, length) ? NULL : "E50";
		default:
			return find_session(relay, call, length, bench_now()) ? NULL : "E50";
	}
}

int is_probe(char verb)
{
	return verb == 'V' || verb == 'G';
}

// The figures of a call's first stream, the only one: those that a plain Q asks for, or behind the tags the others by name.
static int say_figures(const char *command, const char *end, const char *datagram, int cookie, char *answer)
{
	if(stream_of(command, end) > 1)
		return snprintf(answer, longest_answer, "%.*s E50\n", cookie, datagram);
	if(end - command < 2 || (command[1] & ~0x20) != 'V')
		return snprintf(answer, longest_answer, "%.*s 60 0 0 0 0\n", cookie, datagram);
	int length = snprintf(answer, longest_answer, "%.*s", cookie, datagram), word = 0;
	while(command < end) {
		const char *blank = memchr(command, ' ', end - command);
		int size = (blank ? blank : end) - command;
		// A deletion behind them succeeds.
		if(*command == '&' || length + size + 4 > longest_answer)
			break;
		if(word++ >= 4)
			length += snprintf(answer + length, longest_answer - length, " %.*s=7", size, command);
		command += size + 1;
	}
	return length + snprintf(answer + length, longest_answer - length, "\n");
}

// What the process has counted since it was started: both fall with a restart.
static long offers_taken, questions_taken;

int say(char verb, char *command, char *end, int relay, const char *datagram, int cookie, char *answer)
{
	const char *fault = are_sessions_kept() ? fault_without_session(verb, command, end, relay) : NULL;
	if(fault)
		return snprintf(answer, longest_answer, "%.*s %s\n", cookie, datagram, fault);
	if(verb == 'U')
		offers_taken++;
	switch(verb) {
		case 'U':
		case 'L':
			return snprintf(answer, longest_answer, "%.*s %d " BENCH_RELAY_ADDRESS "\n", cookie, datagram,
					BENCH_RELAY_PORT + 2 * (stream_of(command, end) & 0xFF));
		case 'V':
			return snprintf(
					answer, longest_answer, "%.*s %s\n", cookie, datagram, end - command > 1 ? "1" : "20040107");
		case 'G':
			return snprintf(
					answer, longest_answer, "%.*s %ld %ld\n", cookie, datagram, offers_taken, questions_taken++);
		case 'Q':
			return say_figures(command, end, datagram, cookie, answer);
		default:
			return snprintf(answer, longest_answer, "%.*s 0\n", cookie, datagram);
	}
}

// Answers "cookie command" in `answer`; returns its length, 0 for none.
static int reply(char *datagram, int length, int relay, char *answer)
{
	char *end = datagram + length;
	while(end > datagram && (end[-1] == '\n' || end[-1] == '\r'))
		end--;
	char *blank = memchr(datagram, ' ', end - datagram);
	if(!blank || blank + 1 == end || blank - datagram > 40)
		return 0;
	char *command = blank + 1;
	char verb = *command & ~0x20;
	if(is_probe(verb))
		relays[relay].probes++;
	else
		relays[relay].others++;
	if(relays[relay].silent || is_lost()) {
		dropped++;
		return 0;
	}
	int cookie = blank - datagram;
	if(!are_sessions_kept())
		return say(verb, command, end, relay, datagram, cookie, answer);

	const char *said = remembered_answer(relay, datagram, cookie);
	if(!is_probe(verb))
		count_command(said != NULL);
	if(said) {
		strcpy(answer, said);
	} else if(say(verb, command, end, relay, datagram, cookie, answer) < longest_answer) {
		remember_answer(relay, datagram, cookie, answer);
	} else {
		return 0;
	}
	// The answer may be lost as well as the command.
	if(is_lost()) {
		dropped++;
		return 0;
	}
	return strlen(answer);
}

static struct {
	struct mmsghdr headers[batch];
	struct iovec vectors[batch];
	struct sockaddr_in peers[batch];
	char bytes[batch][2048];
	union {
		char space[CMSG_SPACE(sizeof(struct in_pktinfo))];
		struct cmsghdr header;
	} control[batch];
} in, out;

static void receive(int socket)
{
	for(int i = 0; i < batch; i++) {
		in.vectors[i] = (struct iovec){in.bytes[i], sizeof in.bytes[i]};
		in.headers[i].msg_hdr = (struct msghdr){.msg_name = &in.peers[i],
				.msg_namelen = sizeof in.peers[i],
				.msg_iov = &in.vectors[i],
				.msg_iovlen = 1,
				.msg_control = in.control[i].space,
				.msg_controllen = sizeof in.control[i].space};
	}
	int count = recvmmsg(socket, in.headers, batch, MSG_DONTWAIT, NULL);
	int64_t due = delay ? bench_now() + delay : 0;
	for(int i = 0; i < count; i++) {
		struct cmsghdr *header = CMSG_FIRSTHDR(&in.headers[i].msg_hdr);
		if(!header || header->cmsg_type != IP_PKTINFO || queue_end - queue_first == places)
			continue;
		struct in_pktinfo info;
		memcpy(&info, CMSG_DATA(header), sizeof info);
		int relay = relay_at(info.ipi_addr);
		if(relay < 0)
			continue;
		struct answer *answer = &queue[queue_end % places];
		answer->length = reply(in.bytes[i], in.headers[i].msg_len, relay, answer->text);
		if(answer->length <= 0 || answer->length >= longest_answer)
			continue;
		answer->due = due;
		answer->to = in.peers[i];
		answer->from = info.ipi_addr;
		queue_end++;
	}
}

// Sends what is due; returns how many nanoseconds it is until the next, -1 if there is none.
static int64_t send_due(int socket)
{
	while(queue_first != queue_end) {
		int64_t now = delay ? bench_now() : INT64_MAX;
		int count = 0;
		while(count < batch && queue_first + count != queue_end) {
			struct answer *answer = &queue[(queue_first + count) % places];
			if(answer->due > now)
				break;
			out.vectors[count] = (struct iovec){answer->text, answer->length};
			struct msghdr *message = &out.headers[count].msg_hdr;
			*message = (struct msghdr){.msg_name = &answer->to,
					.msg_namelen = sizeof answer->to,
					.msg_iov = &out.vectors[count],
					.msg_iovlen = 1,
					.msg_control = out.control[count].space,
					.msg_controllen = sizeof out.control[count].space};
			struct cmsghdr *header = CMSG_FIRSTHDR(message);
			*header = (struct cmsghdr){
					.cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO, .cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo))};
			struct in_pktinfo info = {.ipi_spec_dst = answer->from};
			memcpy(CMSG_DATA(header), &info, sizeof info);
			count++;
		}
		if(!count)
			return queue[queue_first % places].due - now;
		int sent = sendmmsg(socket, out.headers, count, 0);
		// An answer that cannot be sent is given up.
		queue_first += sent > 0 ? sent : 1;
	}
	return -1;
}

// "silence I 0|1", "loss PERMILLION SEED", "delay MICROSECONDS", "excuse I 0|1", "count I", "tally", "holds": answered
// with "ok" or the numbers.
static void take_order(int socket)
{
	char text[200], answer[200] = "what?";
	struct sockaddr_in peer;
	socklen_t peer_length = sizeof peer;
	ssize_t length = recvfrom(socket, text, sizeof text - 1, MSG_DONTWAIT, (struct sockaddr *)&peer, &peer_length);
	if(length < 0)
		return;
	text[length] = 0;
	unsigned relay, flag;
	unsigned long long seed;
	if(sscanf(text, "silence %u %u", &relay, &flag) == 2 && relay < BENCH_MAXIMUM_RELAYS) {
		relays[relay].silent = flag;
		strcpy(answer, "ok");
	} else if(sscanf(text, "loss %u %llu", &flag, &seed) == 2) {
		loss = flag;
		dice = seed;
		strcpy(answer, "ok");
	} else if(sscanf(text, "delay %u", &flag) == 1) {
		delay = flag * INT64_C(1000);
		strcpy(answer, "ok");
	} else if(sscanf(text, "excuse %u %u", &relay, &flag) == 2 && relay < BENCH_MAXIMUM_RELAYS && are_sessions_kept()) {
		excuse_sessions(relay, flag);
		strcpy(answer, "ok");
	} else if(!strcmp(text, "tally") && are_sessions_kept()) {
		write_tally(answer, sizeof answer);
	} else if(!strcmp(text, "holds")) {
		write_holds(answer, sizeof answer);
	} else if(sscanf(text, "count %u", &relay) == 1 && relay < BENCH_MAXIMUM_RELAYS) {
		snprintf(answer, sizeof answer, "%llu %llu %llu", (unsigned long long)relays[relay].probes,
				(unsigned long long)relays[relay].others, (unsigned long long)dropped);
	}
	sendto(socket, answer, strlen(answer), 0, (struct sockaddr *)&peer, peer_length);
}

// usage: relay DELAY_MICROSECONDS [PORT TTL_MILLISECONDS FILE [PATH]]
//
// With a file it keeps sessions, for so long, and goes on with what the file says that an earlier process has counted.
// With a path it takes stream connections: there, and at the port.
int bench_relay(int argc, char **argv)
{
	delay = argc > 1 ? atoll(argv[1]) * 1000 : 0;
	end_with_parent();
	prctl(PR_SET_TIMERSLACK, 1UL);
	uint16_t port = argc > 2 ? atoi(argv[2]) : 0, orders_port = 0;
	if(argc > 4 && !keep_sessions(argv[4], atoll(argv[3]) * 1000000)) {
		printf("no file: %s\n", strerror(errno));
		return 1;
	}
	int commands = udp_socket(INADDR_ANY, &port), orders = udp_socket(INADDR_LOOPBACK, &orders_port);
	int on = 1;
	if(commands < 0 || orders < 0 || setsockopt(commands, IPPROTO_IP, IP_PKTINFO, &on, sizeof on)) {
		printf("no socket: %s\n", strerror(errno));
		return 1;
	}
	// Answers go to loopback addresses alone anyway (relay_at).
	(void)setsockopt(commands, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3);
	if(argc > 5 && !listen_for_connections(argv[5], port)) {
		printf("no listening socket: %s\n", strerror(errno));
		return 1;
	}
	printf("ready %u %u\n", port, orders_port);
	fflush(stdout);

	waiting[0] = (struct pollfd){.fd = commands, .events = POLLIN};
	waiting[1] = (struct pollfd){.fd = orders, .events = POLLIN};
	for(;;) {
		int64_t left = send_due(commands), held = send_overdue();
		if(held >= 0 && (left < 0 || held < left))
			left = held;
		if(are_sessions_kept()) {
			// Twice a second is often enough for what counts in seconds.
			left = left < 0 || left > 500000000 ? 500000000 : left;
			expire_sessions(bench_now());
		}
		struct timespec time = {left / 1000000000, left % 1000000000};
		if(ppoll(waiting, waiting_count, left < 0 ? NULL : &time, NULL) < 0 && errno != EINTR)
			return 1;
		if(waiting[0].revents)
			receive(commands);
		if(waiting[1].revents)
			take_order(orders);
		serve_connections();
	}
}
