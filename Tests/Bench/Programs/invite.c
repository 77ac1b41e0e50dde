// SPDX-License-Identifier: GPL-2.0-or-later
// The requests that are sent, and the check of what comes back.

#include "common.h"
#include "invite.h"
#include "programs.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NUMBER "########"
enum { offered_port = 10000 };

__attribute__((format(printf, 2, 3))) static void add(struct request *request, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	request->length +=
			vsnprintf(request->text + request->length, sizeof request->text - request->length, format, arguments);
	va_end(arguments);
}

static void make(struct request *request, const char *method, const char *user, uint16_t local, uint16_t port,
		unsigned run, const char *body)
{
	request->length = 0;
	add(request, "%s sip:%s@127.0.0.1:%u SIP/2.0\r\n", method, user, method[0] == 'O' ? port : local);
	add(request, "Via: SIP/2.0/UDP 127.0.0.1:%u;branch=z9hG4bK-%08x-" NUMBER "\r\n", local, run);
	add(request, "From: \"Alice\" <sip:alice@example.com>;tag=a-%08x-" NUMBER "\r\n", run);
	if(strcmp(method, "ACK"))
		add(request, "To: <sip:%s@example.com>\r\n", user);
	add(request, "Call-ID: %08x-" NUMBER "@192.0.2.10\r\n", run);
	add(request, "CSeq: 1 %s\r\nMax-Forwards: 70\r\nContact: <sip:alice@127.0.0.1:%u>\r\n", method, local);
	if(strcmp(method, "ACK")) {
		add(request, "User-Agent: a telephone\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, PRACK\r\n");
		if(*body)
			add(request, "Content-Type: application/sdp\r\n");
		add(request, "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
	} else {
		add(request, "Content-Length: 0\r\nTo: <sip:%s@example.com>", user);
	}

	request->number_count = 0;
	for(char *at = request->text; (at = strstr(at, NUMBER)); at += strlen(NUMBER))
		request->numbers[request->number_count++] = at - request->text;
}

void make_invite(struct request *request, uint16_t local, uint16_t port, unsigned run, int streams, const char *user)
{
	char body[6000];
	int length = snprintf(
			body, sizeof body, "v=0\r\no=alice 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n");
	for(int i = 1; i <= streams; i++)
		length += snprintf(body + length, sizeof body - length,
				"m=audio %d RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
				"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=sendrecv\r\n",
				offered_port + 2 * i);
	request->streams = streams;
	request->is_offer = strcmp(user, "plain") != 0;
	make(request, "INVITE", user, local, port, run, body);
}

void make_ack(struct request *ack, uint16_t local, uint16_t port, unsigned run, const char *user)
{
	make(ack, "ACK", user, local, port, run, "");
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
	make(request, "OPTIONS", "kamailio", local, port, run, "");
}

void number_request(struct request *request, unsigned number)
{
	char digits[9];
	snprintf(digits, sizeof digits, "%08u", number % 100000000);
	for(int i = 0; i < request->number_count; i++)
		memcpy(request->text + request->numbers[i], digits, 8);
}

// Whether the SDP names the relay's address and ports, or those of the offer where the module was not asked.
static int is_right(const struct request *request, const char *message)
{
	const char *body = strstr(message, "\r\n\r\n");
	if(!body)
		return 0;
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

enum outcome check_answer(const struct request *request, char *bytes, size_t length, unsigned run, unsigned *number)
{
	bytes[length] = 0;
	const char *header = strstr(bytes, "\r\nCall-ID: ");
	unsigned of;
	if(!header || sscanf(header, "\r\nCall-ID: %8x-%8u@", &of, number) != 2 || of != run)
		return outcome_other;
	if(!strncmp(bytes, "SIP/2.0 ", 8)) {
		if(bytes[8] == '1')
			return outcome_other;
		return bytes[8] == '2' ? outcome_right : outcome_refused;
	}
	return is_right(request, bytes) ? outcome_right : outcome_wrong;
}
