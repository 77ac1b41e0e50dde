// SPDX-License-Identifier: GPL-2.0-or-later
// Whole calls, both ends of them: INVITE, re-INVITE, a request that asks for statistics, BYE.
//
// Caller and callee are this program, on one socket. Whatever the script could not do it says in a header field of its
// own, X-Media, on the message that then goes on as it came, or with an error response.
//
// Of each sixteen calls two find the first callee busy, and the script tries another one; in two others the callee refuses
// the re-INVITE, and the call goes on with the media that it has. Two more are cancelled by the caller, at any moment
// between the INVITE and some time after the callee rings; half of these are busy at the first callee, too. Two offer a
// second stream, which the relay no longer knows when the answer comes: the answer refuses that one alone.
//
// Where there are several Kamailios, each request of a call goes to another one, and so does the answer: the first, asked
// for sip:far-async@ or sip:far-blocking@, makes the offer, and forwards the INVITE to the next one. What the caller sends
// next waits so long that the others can have heard of the call. Cancelled calls stay with one Kamailio.

#include "common.h"
#include "dialog.h"
#include "programs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The numbers of CSeq, which are the steps of a call.
enum step { inviting = 1, reinviting, asking, leaving, over };
static const char *const names[] = {"", "INVITE", "INVITE", "INFO", "BYE"};
static const char *const users[] = {"async", "blocking"};
static const char *const far_users[] = {"far-async", "far-blocking"};

static int is_cancelled(unsigned number)
{
	return number / 2 % 8 == 3;
}

static int is_diverted(unsigned number)
{
	return number / 2 % 8 == 1 || number / 2 % 16 == 3;
}

static int refuses_reinvite(unsigned number)
{
	return number / 2 % 8 == 2;
}

// Whether the call has a second stream that nobody sends anything in before the answer, as video during a long ringing.
static int has_idle_stream(unsigned number)
{
	return number / 2 % 8 == 4;
}

static struct {
	uint8_t step;
	/// Bits by CSeq: the callee has got the request, where `over` stands for the INVITE after a diversion; the ACK.
	uint8_t arrived, acknowledged;
	uint8_t is_refused, is_wrong;
	/// What the caller has got to its INVITE and its CANCEL.
	uint8_t is_proceeding, is_cancel_answered;
	/// The real relay that its SDP has named, 0 for none.
	uint8_t relay;
} dialogs[BENCH_MAXIMUM_CALLS];

// By user, then by step. Those of two streams come behind the others, and then those of one that several Kamailios share.
static struct request requests[6][over], acks[2][over], refusing_acks[2][over], cancels[2];

// CANCELs that are to be sent, in no order.
static struct {
	unsigned number;
	int64_t due;
	int repeats;
} pending[1024];
static unsigned pending_count;
// In nanoseconds. Half of the CANCELs come within the short one, before or while the INVITE waits, half within the long
// one, when it may ring.
static const int64_t short_delay = 4000000, long_delay = 60000000, repetition = 250000000;

// 487s of the callee that the caller has not got yet, in no order. A busy machine loses datagrams: they are sent again.
static struct {
	unsigned number;
	int64_t due;
	struct sockaddr_in to;
	struct request answer;
} terminations[64];
static unsigned termination_count;

// Requests that wait, in the order of their times, from `first_waiting` on to before `next_waiting`.
static struct {
	unsigned number;
	int64_t due;
} waiting[4096];
static unsigned first_waiting, next_waiting;
// Twice what a change is held back, and some for its way.
static const int64_t pause_between_hosts = 50000000;

static int the_socket;
static struct sockaddr_in the_hosts[most_hosts];
static int the_host_count;
static uint16_t the_port;
static unsigned the_run;
static int the_streams;

static struct {
	unsigned long long begun, offered, not_offered, answered, not_answered, asked, not_asked, deleted, not_deleted,
			repeated, diverted, reinvites_refused, to_cancel, cancelled, left_to_timer, streams_refused, moved;
} counts;

void make_dialogs(
		int socket, uint16_t local, const struct sockaddr_in *hosts, int host_count, unsigned run, int streams)
{
	uint16_t port = ntohs(hosts[0].sin_port);
	memcpy(the_hosts, hosts, host_count * sizeof *hosts);
	the_host_count = host_count;
	the_socket = socket;
	the_port = local;
	the_run = run;
	the_streams = streams;
	for(int user = 0; user < 2; user++) {
		make_invite(&requests[user][inviting], local, port, run, streams, users[user]);
		const char *const far_user = host_count > 1 ? far_users[user] : users[user];
		make_invite(&requests[user + 2][inviting], local, port, run, streams + 1, far_user);
		make_invite(&requests[user + 4][inviting], local, port, run, streams, far_user);
		make_cancel(&cancels[user], local, port, run, users[user]);
		for(int step = reinviting; step < over; step++)
			for(int kind = 0; kind < 3; kind++)
				make_request_in_dialog(&requests[user + 2 * kind][step], names[step], step, local, port, run,
						step == reinviting ? streams + (kind == 1) : 0,
						kind && step == reinviting ? far_user : users[user]);
		for(int step = inviting; step <= reinviting; step++) {
			make_request_in_dialog(&acks[user][step], "ACK", step, local, port, run, 0, users[user]);
			make_ack(&refusing_acks[user][step], local, port, run, users[user], step);
		}
	}
}

static void send_to(const struct sockaddr_in *to, const struct request *request, int length)
{
	if(the_host_count == 1)
		send(the_socket, request->text, length, 0);
	else
		sendto(the_socket, request->text, length, 0, (const struct sockaddr *)to, sizeof *to);
}

// The Kamailio that a request goes to: INVITE, re-INVITE and INFO each to another one, with the next one for the answer;
// the BYE to any.
static const struct sockaddr_in *host_of(unsigned number, int step)
{
	static const unsigned shifts[] = {[inviting] = 0, [reinviting] = 2, [asking] = 1};
	return &the_hosts[(number + (step == leaving ? number / 16 : shifts[step])) % the_host_count];
}

// The length is that of the request, but for the ACK of a refusal.
static void send_numbered(const struct sockaddr_in *to, struct request *request, unsigned number, int length)
{
	number_request(request, number);
	send_to(to, request, length);
}

static struct request *request_of(unsigned number, int step)
{
	int is_far = the_host_count > 1 && !is_cancelled(number);
	return &requests[number % 2 + (has_idle_stream(number) ? 2 : is_far ? 4 : 0)][step];
}

static void send_request(unsigned number, int step)
{
	struct request *request = request_of(number, step);
	send_numbered(host_of(number, step), request, number, request->length);
}

void begin_dialog(unsigned number)
{
	dialogs[number].step = inviting;
	send_request(number, inviting);
	if(!is_cancelled(number) || pending_count == sizeof pending / sizeof *pending)
		return;
	unsigned part = number * 2654435761u >> 16;
	int64_t longest = number / 32 % 2 ? long_delay : short_delay;
	pending[pending_count].number = number;
	pending[pending_count].repeats = 0;
	pending[pending_count++].due = bench_now() + longest * part / 65536;
	counts.to_cancel++;
}

// The callee's 487 to a call that is cancelled, and again until it has arrived.
static void terminate(unsigned number, const struct sockaddr_in *to, const struct request *answer)
{
	send_to(to, answer, answer->length);
	for(unsigned i = 0; i < termination_count; i++) {
		if(terminations[i].number == number)
			return;
	}
	if(termination_count == sizeof terminations / sizeof *terminations)
		return;
	terminations[termination_count].number = number;
	terminations[termination_count].due = bench_now() + repetition;
	terminations[termination_count].to = *to;
	terminations[termination_count++].answer = *answer;
}

static int64_t repeat_terminations(int64_t now)
{
	int64_t next = INT64_MAX;
	for(unsigned i = 0; i < termination_count;) {
		if(dialogs[terminations[i].number].step != inviting) {
			terminations[i] = terminations[--termination_count];
			continue;
		}
		if(terminations[i].due <= now) {
			send_to(&terminations[i].to, &terminations[i].answer, terminations[i].answer.length);
			terminations[i].due = now + repetition;
		}
		if(terminations[i].due < next)
			next = terminations[i].due;
		i++;
	}
	return next;
}

static int64_t send_what_has_waited(int64_t now)
{
	const unsigned size = sizeof waiting / sizeof *waiting;
	for(; first_waiting != next_waiting && waiting[first_waiting % size].due <= now; first_waiting++) {
		unsigned number = waiting[first_waiting % size].number;
		send_request(number, dialogs[number].step);
	}
	return first_waiting == next_waiting ? INT64_MAX : waiting[first_waiting % size].due;
}

// Sends the request that the step of the call is, at once or, where several Kamailios share the call, after a pause.
static void go_on(unsigned number)
{
	const unsigned size = sizeof waiting / sizeof *waiting;
	if(the_host_count == 1 || next_waiting - first_waiting == size) {
		send_request(number, dialogs[number].step);
		return;
	}
	waiting[next_waiting % size].number = number;
	waiting[next_waiting++ % size].due = bench_now() + pause_between_hosts;
}

int64_t send_what_is_due(int64_t now)
{
	int64_t next = repeat_terminations(now), next_request = send_what_has_waited(now);
	if(next_request < next)
		next = next_request;
	for(unsigned i = 0; i < pending_count;) {
		unsigned number = pending[i].number;
		if(dialogs[number].step != inviting) {
			pending[i] = pending[--pending_count];
			continue;
		}
		if(pending[i].due <= now) {
			// A CANCEL that has overtaken its INVITE finds nothing, and an INVITE that nothing is heard of is repeated.
			if(!dialogs[number].is_cancel_answered)
				send_numbered(host_of(number, inviting), &cancels[number % 2], number, cancels[number % 2].length);
			else if(!dialogs[number].is_proceeding)
				send_request(number, inviting);
			pending[i].due = now + repetition;
			// tm has answered the CANCEL and not passed it on: only its timer ends the call (5 s of 10).
			counts.left_to_timer += ++pending[i].repeats == 20;
		}
		if(pending[i].due < next)
			next = pending[i].due;
		i++;
	}
	return next;
}

// Looks at SDP that has come through; 0 where the script says that it was left alone.
static int check_body(unsigned number, const struct request *sent, const char *message)
{
	if(is_right(sent, message)) {
		int relay = real_relay_of(message);
		counts.moved += dialogs[number].relay && dialogs[number].relay != relay;
		dialogs[number].relay = relay;
		return 1;
	}
	if(strstr(message, "\r\nX-Media: ")) {
		dialogs[number].is_refused = 1;
		return 0;
	}
	dialogs[number].is_wrong = 1;
	return 0;
}

// The callee takes a request.
static void take_request(unsigned number, int step, const char *message, const struct sockaddr_in *from)
{
	static struct request answer;
	if(!strncmp(message, "ACK ", 4)) {
		dialogs[number].acknowledged |= 1 << step;
		return;
	}
	if(!strncmp(message, "CANCEL ", 7)) {
		make_answer(&answer, "200 OK", message, number, the_port, 0);
		send_to(from, &answer, answer.length);
		make_termination(&answer, message, number, the_port, the_run);
		terminate(number, from, &answer);
		return;
	}
	int is_invite = step <= reinviting;
	// The script sends a diverted call to another user.
	int is_second = step == inviting && strncmp(message, "INVITE sip:next-", 16) == 0;
	int arrival = is_second ? over : step, is_new = !(dialogs[number].arrived & 1 << arrival);
	const char *status = "200 OK";
	dialogs[number].arrived |= 1 << arrival;
	if(is_new && is_invite) {
		int is_done = check_body(number, request_of(number, step), message);
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
	if(step == inviting && is_diverted(number) && !is_second) {
		status = "486 Busy Here";
		counts.diverted += is_new;
	} else if(step == reinviting && refuses_reinvite(number)) {
		status = number / 16 % 2 ? "491 Request Pending" : "488 Not Acceptable Here";
	} else if(step == inviting && is_cancelled(number)) {
		status = "180 Ringing";
	}
	make_answer(&answer, status, message, number, the_port,
			is_invite && status[0] == '2' ? the_streams + has_idle_stream(number) : 0);
	send_to(from, &answer, answer.length);
}

// The caller takes the final response to its last request. Returns the next step.
static int take_response(unsigned number, int step, const char *message)
{
	int user = number % 2, is_success = message[8] == '2';
	int status = atoi(message + 8);
	int is_refusal = step == reinviting && refuses_reinvite(number) && (status == 488 || status == 491);
	// The CANCEL may come when the first callee has refused.
	int is_cancellation = step == inviting && is_cancelled(number)
						  && (status == 487 || status == 408 || (status == 486 && is_diverted(number)));
	if(step <= reinviting && is_success) {
		int is_refused = has_idle_stream(number) && strstr(message, "\r\nm=audio 0 ");
		// All streams but the idle one are looked at.
		int is_done = check_body(number, is_refused ? &requests[user][step] : request_of(number, step), message);
		counts.streams_refused += is_done && is_refused;
		counts.answered += is_done;
		counts.not_answered += !is_done;
		send_numbered(host_of(number, asking), &acks[user][step], number, acks[user][step].length);
	} else if(step <= reinviting) {
		struct request *ack = &refusing_acks[user][step];
		int length = complete_ack(ack, message);
		send_numbered(host_of(number, step), ack, number, length);
		counts.not_offered += !is_refusal && !is_cancellation;
		counts.cancelled += is_cancellation;
		counts.reinvites_refused += is_refusal;
	} else if(step == asking) {
		counts.asked += is_success;
		counts.not_asked += !is_success;
	}
	dialogs[number].is_refused |= !is_success && !is_refusal && !is_cancellation;
	if(step == leaving || (step == inviting && !is_success))
		return over;
	return step + 1;
}

enum outcome step_dialog(char *bytes, size_t length, const struct sockaddr_in *from, unsigned *number, int *has_moved)
{
	int step;
	if(!number_of(bytes, length, the_run, number) || *number >= BENCH_MAXIMUM_CALLS)
		return outcome_other;
	const char *sequence = strstr(bytes, "\r\nCSeq: ");
	if(!sequence || sscanf(sequence, "\r\nCSeq: %d", &step) != 1 || step < inviting || step >= over)
		return outcome_other;
	if(strncmp(bytes, "SIP/2.0 ", 8)) {
		take_request(*number, step, bytes, from);
		return outcome_other;
	}
	if(strstr(sequence + 2, " CANCEL\r\n") && strstr(sequence + 2, " CANCEL\r\n") < strstr(sequence + 2, "\r\n")) {
		dialogs[*number].is_cancel_answered |= bytes[8] == '2';
		return outcome_other;
	}
	dialogs[*number].is_proceeding |= step == inviting;
	// Responses that are provisional or have come before change nothing.
	if(bytes[8] == '1' || step != dialogs[*number].step)
		return outcome_other;
	*has_moved = 1;
	dialogs[*number].step = take_response(*number, step, bytes);
	if(dialogs[*number].step != over) {
		go_on(*number);
		return outcome_other;
	}
	return dialogs[*number].is_wrong ? outcome_wrong : dialogs[*number].is_refused ? outcome_refused : outcome_right;
}

void print_dialogs(void)
{
	printf("begun %llu offered %llu not_offered %llu answered %llu not_answered %llu asked %llu not_asked %llu deleted "
		   "%llu "
		   "not_deleted %llu repeated %llu diverted %llu reinvites_refused %llu to_cancel %llu cancelled %llu "
		   "left_to_timer %llu streams_refused %llu moved %llu\n",
			counts.begun, counts.offered, counts.not_offered, counts.answered, counts.not_answered, counts.asked,
			counts.not_asked, counts.deleted, counts.not_deleted, counts.repeated, counts.diverted,
			counts.reinvites_refused, counts.to_cancel, counts.cancelled, counts.left_to_timer, counts.streams_refused,
			counts.moved);
}

void print_hanging_dialog(unsigned number)
{
	int step = dialogs[number].step;
	printf("call %08x-%08u (%s) has no answer to its %s, CSeq %d, which %s\n", the_run, number, users[number % 2],
			names[step], step, dialogs[number].arrived & 1 << step ? "has reached the callee" : "was not forwarded");
}
