// SPDX-License-Identifier: GPL-2.0-or-later
// The requests that are sent, and the check of what comes back.

#pragma once

#include <stddef.h>
#include <stdint.h>

/// A request of which only a number of eight digits changes from one to the next.
struct request {
	int length;
	int streams;
	int is_offer;
	/// Where the number stands.
	int numbers[8];
	int number_count;
	char text[8000];
};

/// What became of a request.
enum outcome {
	/// Forwarded as it must be.
	outcome_right,
	/// Forwarded, but not as it must be.
	outcome_wrong,
	/// Refused by the script: the module's function failed.
	outcome_refused,
	/// Something else, of no call that is waited for.
	outcome_other,
};

/// Makes an INVITE to sip:`user`@ the local port, through the Kamailio at `port`; the script calls the module for all
/// users but "plain". `run` keeps Call-IDs of several programs apart.
void make_invite(struct request *request, uint16_t local, uint16_t port, unsigned run, int streams, const char *user);

/// Makes the ACK for the answers to such INVITEs, without the tag that the answer brings. `sequence` is that of CSeq: 1.
void make_ack(struct request *ack, uint16_t local, uint16_t port, unsigned run, const char *user, int sequence);

/// Makes a request with the callee's tag, with an offer where there are streams. An ACK is one for a 2xx.
void make_request_in_dialog(struct request *request, const char *method, int sequence, uint16_t local, uint16_t port,
		unsigned run, int streams, const char *user);

/// Makes the callee's answer for a request that has come, "200 OK" say, with SDP where there are streams.
void make_answer(
		struct request *answer, const char *status, const char *message, unsigned number, uint16_t local, int streams);

/// Makes the CANCEL of such INVITEs.
void make_cancel(struct request *cancel, uint16_t local, uint16_t port, unsigned run, const char *user);

/// Makes the callee's 487 to the INVITE that a CANCEL is for. The CANCEL has the proxy's Via alone, so the caller's is made
/// anew.
void make_termination(struct request *answer, const char *cancel, unsigned number, uint16_t local, unsigned run);

/// Makes an OPTIONS that the script answers itself.
void make_options(struct request *request, uint16_t local, uint16_t port, unsigned run);

/// Writes the number of the request.
void number_request(struct request *request, unsigned number);

/// Completes the ACK with the tag of an answer; returns its length, 0 where the answer has none.
int complete_ack(struct request *ack, const char *answer);

/// Ends the message with a 0 and reads the number of its call; 0 where it is not of this run.
int number_of(char *bytes, size_t length, unsigned run, unsigned *number);

/// From now on SDP must name the addresses and ports of `count` real relays at 127.0.0.BENCH_REAL_RELAY and those behind it.
void expect_real_relays(int count);

/// The real relay that SDP names, from 1; 0 for none.
int real_relay_of(const char *message);

/// Whether the SDP names the relay's address and ports, or those of the offer where the module was not asked.
int is_right(const struct request *request, const char *message);

/// Looks at what came back; `*number` is set except for `outcome_other`.
enum outcome check_answer(const struct request *request, char *bytes, size_t length, unsigned run, unsigned *number);
