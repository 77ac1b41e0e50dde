// SPDX-License-Identifier: GPL-2.0-or-later
// The requests that are sent, and the check of what comes back.

#include "common.h"
#include "invite.h"
#include "programs.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER "########"
#define CALLEE_TAG "b-"
enum { offered_port = 10000 };

__attribute__((format(printf, 2, 3))) static void add(struct request *request, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	request->length +=
			vsnprintf(request->text + request->length, sizeof request->text - request->length, format, arguments);
	va_end(arguments);
}

// What a request begins with.
struct heading {
	const char *method, *user;
	uint16_t local, port;
	unsigned run;
	int sequence;
	/// Whether To has the tag of the callee that `make_answer` gives.
	int is_in_dialog;
};

static void make(struct request *request, const struct heading *heading, const char *body)
{
	const char *method = heading->method, *user = heading->user;
	uint16_t local = heading->local;
	unsigned run = heading->run;
	int is_ack = !strcmp(method, "ACK"), is_open = is_ack && !heading->is_in_dialog;
	request->length = 0;
	add(request, "%s sip:%s@127.0.0.1:%u SIP/2.0\r\n", method, user, method[0] == 'O' ? heading->port : local);
	add(request, "Via: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bK-%08x-%s%d-" NUMBER "\r\n", local, run,
			is_ack && heading->is_in_dialog ? "a" : "", heading->sequence);
	add(request, "From: \"Alice\" <sip:alice@example.com>;tag=a-%08x-" NUMBER "\r\n", run);
	if(!is_open)
		add(request, "To: <sip:%s@example.com>", user);
	if(heading->is_in_dialog)
		add(request, ";tag=" CALLEE_TAG NUMBER);
	add(request, "%sCall-ID: %08x-" NUMBER "@192.0.2.10\r\n", is_open ? "" : "\r\n", run);
	add(request, "CSeq: %d %s\r\nMax-Forwards: 70\r\nContact: <sip:alice@127.0.0.1:%u>\r\n", heading->sequence, method,
			local);
	if(!is_ack) {
		add(request, "User-Agent: a telephone\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, PRACK\r\n");
		if(*body)
			add(request, "Content-Type: application/sdp\r\n");
	}
	add(request, "Content-Length: %zu\r\n", strlen(body));
	if(is_open)
		add(request, "To: <sip:%s@example.com>", user);
	else
		add(request, "\r\n%s", body);

	request->number_count = 0;
	for(char *at = request->text; (at = strstr(at, NUMBER)); at += strlen(NUMBER))
		request->numbers[request->number_count++] = at - request->text;
}

static int make_body(char *body, size_t size, int streams)
{
	int length =
			snprintf(body, size, "v=0\r\no=alice 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n");
	for(int i = 1; i <= streams; i++)
		length += snprintf(body + length, size - length,
				"m=audio %d RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
				"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=sendrecv\r\n",
				offered_port + 2 * i);
	return length;
}

void make_invite(struct request *request, uint16_t local, uint16_t port, unsigned run, int streams, const char *user)
{
	char body[6000];
	make_body(body, sizeof body, streams);
	request->streams = streams;
	request->is_offer = strcmp(user, "plain") != 0;
	make(request,
			&(struct heading){
					.method = "INVITE", .user = user, .local = local, .port = port, .run = run, .sequence = 1},
			body);
}

void make_ack(struct request *ack, uint16_t local, uint16_t port, unsigned run, const char *user, int sequence)
{
	make(ack,
			&(struct heading){
					.method = "ACK", .user = user, .local = local, .port = port, .run = run, .sequence = sequence},
			"");
}

void make_request_in_dialog(struct request *request, const char *method, int sequence, uint16_t local, uint16_t port,
		unsigned run, int streams, const char *user)
{
	char body[6000] = "";
	if(streams)
		make_body(body, sizeof body, streams);
	request->streams = streams;
	request->is_offer = streams > 0;
	make(request,
			&(struct heading){.method = method,
					.user = user,
					.local = local,
					.port = port,
					.run = run,
					.sequence = sequence,
					.is_in_dialog = 1},
			body);
}

void make_cancel(struct request *cancel, uint16_t local, uint16_t port, unsigned run, const char *user)
{
	cancel->streams = cancel->is_offer = 0;
	make(cancel,
			&(struct heading){
					.method = "CANCEL", .user = user, .local = local, .port = port, .run = run, .sequence = 1},
			"");
}

int complete_ack(struct request *ack, const char *answer)
{
	const char *to = strstr(answer, "\r\nTo: "), *end = to ? strstr(to + 2, "\r\n") : NULL;
	const char *tag = to ? strstr(to, ";tag=") : NULL;
	if(!tag || !end || tag > end || ack->length + (end - tag) + 5 > (int)sizeof ack->text)
		return 0;
	int length = ack->length;
	memcpy(ack->text + length, tag, end - tag);
	length += end - tag;
	memcpy(ack->text + length, "\r\n\r\n", 4);
	return length + 4;
}

void make_options(struct request *request, uint16_t local, uint16_t port, unsigned run)
{
	request->streams = 0;
	request->is_offer = 0;
	make(request,
			&(struct heading){
					.method = "OPTIONS", .user = "kamailio", .local = local, .port = port, .run = run, .sequence = 1},
			"");
}

void number_request(struct request *request, unsigned number)
{
	char digits[9];
	snprintf(digits, sizeof digits, "%08u", number % 100000000);
	for(int i = 0; i < request->number_count; i++)
		memcpy(request->text + request->numbers[i], digits, 8);
}

// Copies the header fields with this name.
static void copy_fields(struct request *to, const char *message, const char *name, unsigned number)
{
	size_t length = strlen(name);
	const char *end_of_headers = strstr(message, "\r\n\r\n");
	for(const char *line = strstr(message, "\r\n"); line && line < end_of_headers; line = strstr(line + 2, "\r\n")) {
		const char *end = strstr(line + 2, "\r\n");
		if(strncmp(line + 2, name, length) || line[2 + length] != ':')
			continue;
		add(to, "%.*s", (int)(end - line - 2), line + 2);
		if(*name == 'T' && !memmem(line + 2, end - line - 2, ";tag=", 5))
			add(to, ";tag=" CALLEE_TAG "%08u", number);
		add(to, "\r\n");
	}
}

void make_answer(
		struct request *answer, const char *status, const char *message, unsigned number, uint16_t local, int streams)
{
	static const char *const copied[] = {"Via", "From", "To", "Call-ID", "CSeq"};
	char body[6000] = "";
	if(streams)
		make_body(body, sizeof body, streams);
	answer->length = 0;
	add(answer, "SIP/2.0 %s\r\n", status);
	for(size_t i = 0; i < sizeof copied / sizeof *copied; i++)
		copy_fields(answer, message, copied[i], number);
	add(answer, "Contact: <sip:bob@127.0.0.1:%u>\r\n%sContent-Length: %zu\r\n\r\n%s", local,
			*body ? "Content-Type: application/sdp\r\n" : "", strlen(body), body);
}

void make_termination(struct request *answer, const char *cancel, unsigned number, uint16_t local, unsigned run)
{
	answer->length = 0;
	add(answer, "SIP/2.0 487 Request Terminated\r\n");
	copy_fields(answer, cancel, "Via", number);
	add(answer, "Via: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bK-%08x-1-%08u\r\n", local, run, number);
	copy_fields(answer, cancel, "From", number);
	copy_fields(answer, cancel, "To", number);
	copy_fields(answer, cancel, "Call-ID", number);
	add(answer, "CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n");
}

static int real_relays;

void expect_real_relays(int count)
{
	real_relays = count;
}

int real_relay_of(const char *message)
{
	static const char start[] = "\r\nc=IN IP4 127.0.0.";
	const char *line = real_relays ? strstr(message, start) : NULL;
	int number = line ? atoi(line + sizeof start - 1) - BENCH_REAL_RELAY + 1 : 0;
	return number > 0 && number <= real_relays ? number : 0;
}

// Whether each stream of the SDP has a port of a real relay: an even one, and none of those that are offered.
static int has_real_ports(const struct request *request, const char *body)
{
	static const char start[] = "\r\nm=audio ";
	for(int i = 1; i <= request->streams; i++) {
		body = strstr(body, start);
		if(!body)
			return 0;
		int port = atoi(body += sizeof start - 1);
		if(port <= BENCH_RELAY_PORT || port % 2)
			return 0;
	}
	return 1;
}

int is_right(const struct request *request, const char *message)
{
	const char *body = strstr(message, "\r\n\r\n");
	if(!body)
		return 0;
	if(real_relays && request->is_offer)
		return real_relay_of(body) && has_real_ports(request, body);
	if(!strstr(body, request->is_offer ? "\r\nc=IN IP4 " BENCH_RELAY_ADDRESS "\r\n" : "\r\nc=IN IP4 192.0.2.10\r\n"))
		return 0;
	for(int i = 1; i <= request->streams; i++) {
		char line[40];
		snprintf(line, sizeof line, "\r\nm=audio %d ", (request->is_offer ? BENCH_RELAY_PORT : offered_port) + 2 * i);
		body = strstr(body, line);
		if(!body)
			return 0;
	}
	return 1;
}

int number_of(char *bytes, size_t length, unsigned run, unsigned *number)
{
	bytes[length] = 0;
	const char *header = strstr(bytes, "\r\nCall-ID: ");
	unsigned of;
	return header && sscanf(header, "\r\nCall-ID: %8x-%8u@", &of, number) == 2 && of == run;
}

enum outcome check_answer(const struct request *request, char *bytes, size_t length, unsigned run, unsigned *number)
{
	if(!number_of(bytes, length, run, number))
		return outcome_other;
	if(!strncmp(bytes, "SIP/2.0 ", 8)) {
		if(bytes[8] == '1')
			return outcome_other;
		return bytes[8] == '2' ? outcome_right : outcome_refused;
	}
	return is_right(request, bytes) ? outcome_right : outcome_wrong;
}
