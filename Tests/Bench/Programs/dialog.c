// SPDX-License-Identifier: GPL-2.0-or-later
// Whole calls, both ends of them: INVITE, re-INVITE, a request that asks for statistics, BYE.
//
// Caller and callee are this program, on one socket. Whatever the script could not do it says in a header field of its
// own, X-Media, on the message that then goes on as it came, or with an error response.

#include "common.h"
#include "dialog.h"
#include "programs.h"

#include <stdio.h>
#include <string.h>

// The numbers of CSeq, which are the steps of a call.
enum step { inviting = 1, reinviting, asking, leaving, over };
static const char *const names[] = {"", "INVITE", "INVITE", "INFO", "BYE"};
static const char *const users[] = {"async", "blocking"};

static struct {
	uint8_t step;
	/// Bits by CSeq: the callee has got the request; the ACK.
	uint8_t arrived, acknowledged;
	uint8_t is_refused, is_wrong;
} dialogs[BENCH_MAXIMUM_CALLS];

// By user, then by step.
static struct request requests[2][over], acks[2][over], refusing_acks[2][over];
static int the_socket;
static uint16_t the_port;
static unsigned the_run;
static int the_streams;

static struct {
	unsigned long long begun, offered, not_offered, answered, not_answered, asked, not_asked, deleted, not_deleted,
			repeated;
} counts;

void make_dialogs(int socket, uint16_t local, uint16_t port, unsigned run, int streams)
{
	the_socket = socket;
	the_port = local;
	the_run = run;
	the_streams = streams;
	for(int user = 0; user < 2; user++) {
		make_invite(&requests[user][inviting], local, port, run, streams, users[user]);
		for(int step = reinviting; step < over; step++)
			make_request_in_dialog(&requests[user][step], names[step], step, local, port, run,
					step == reinviting ? streams : 0, users[user]);
		for(int step = inviting; step <= reinviting; step++) {
			make_request_in_dialog(&acks[user][step], "ACK", step, local, port, run, 0, users[user]);
			make_ack(&refusing_acks[user][step], local, port, run, users[user], step);
		}
	}
}

static void send_numbered(struct request *request, unsigned number)
{
	number_request(request, number);
	send(the_socket, request->text, request->length, 0);
}

void begin_dialog(unsigned number)
{
	dialogs[number].step = inviting;
	send_numbered(&requests[number % 2][inviting], number);
}

// Looks at SDP that has come through; 0 where the script says that it was left alone.
static int check_body(unsigned number, const struct request *sent, const char *message)
{
	if(is_right(sent, message))
		return 1;
	if(strstr(message, "\r\nX-Media: ")) {
		dialogs[number].is_refused = 1;
		return 0;
	}
	dialogs[number].is_wrong = 1;
	return 0;
}

// The callee takes a request.
static void take_request(unsigned number, int step, const char *message)
{
	static struct request answer;
	if(!strncmp(message, "ACK ", 4)) {
		dialogs[number].acknowledged |= 1 << step;
		return;
	}
	int is_invite = step <= reinviting, is_new = !(dialogs[number].arrived & 1 << step);
	dialogs[number].arrived |= 1 << step;
	if(is_new && is_invite) {
		int is_done = check_body(number, &requests[number % 2][step], message);
		counts.offered += is_done;
		counts.begun += is_done && step == inviting;
		counts.not_offered += !is_done;
	} else if(is_new && step == leaving) {
		int has_failed = strstr(message, "\r\nX-Media: ") != NULL;
		dialogs[number].is_refused |= has_failed;
		counts.deleted += !has_failed;
		counts.not_deleted += has_failed;
	}
	counts.repeated += !is_new && is_invite;
	make_answer(&answer, message, number, the_port, is_invite ? the_streams : 0);
	send(the_socket, answer.text, answer.length, 0);
}

// The caller takes the final response to its last request. Returns the next step.
static int take_response(unsigned number, int step, const char *message)
{
	int user = number % 2, is_success = message[8] == '2';
	if(step <= reinviting && is_success) {
		int is_done = check_body(number, &requests[user][step], message);
		counts.answered += is_done;
		counts.not_answered += !is_done;
		send_numbered(&acks[user][step], number);
	} else if(step <= reinviting) {
		struct request *ack = &refusing_acks[user][step];
		int length = complete_ack(ack, message);
		number_request(ack, number);
		send(the_socket, ack->text, length, 0);
		counts.not_offered++;
	} else if(step == asking) {
		counts.asked += is_success;
		counts.not_asked += !is_success;
	}
	dialogs[number].is_refused |= !is_success;
	if(step == leaving || (step == inviting && !is_success))
		return over;
	send_numbered(&requests[user][step + 1], number);
	return step + 1;
}

enum outcome step_dialog(char *bytes, size_t length, unsigned *number, int *has_moved)
{
	int step;
	if(!number_of(bytes, length, the_run, number) || *number >= BENCH_MAXIMUM_CALLS)
		return outcome_other;
	const char *sequence = strstr(bytes, "\r\nCSeq: ");
	if(!sequence || sscanf(sequence, "\r\nCSeq: %d", &step) != 1 || step < inviting || step >= over)
		return outcome_other;
	if(strncmp(bytes, "SIP/2.0 ", 8)) {
		take_request(*number, step, bytes);
		return outcome_other;
	}
	// Responses that are provisional or have come before change nothing.
	if(bytes[8] == '1' || step != dialogs[*number].step)
		return outcome_other;
	*has_moved = 1;
	dialogs[*number].step = take_response(*number, step, bytes);
	if(dialogs[*number].step != over)
		return outcome_other;
	return dialogs[*number].is_wrong ? outcome_wrong : dialogs[*number].is_refused ? outcome_refused : outcome_right;
}

void print_dialogs(void)
{
	printf("begun %llu offered %llu not_offered %llu answered %llu not_answered %llu asked %llu not_asked %llu deleted "
		   "%llu "
		   "not_deleted %llu repeated %llu\n",
			counts.begun, counts.offered, counts.not_offered, counts.answered, counts.not_answered, counts.asked,
			counts.not_asked, counts.deleted, counts.not_deleted, counts.repeated);
}

void print_hanging_dialog(unsigned number)
{
	int step = dialogs[number].step;
	printf("call %08x-%08u (%s) has no answer to its %s, CSeq %d, which %s\n", the_run, number, users[number % 2],
			names[step], step, dialogs[number].arrived & 1 << step ? "has reached the callee" : "was not forwarded");
}
