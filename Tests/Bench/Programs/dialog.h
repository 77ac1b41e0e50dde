// SPDX-License-Identifier: GPL-2.0-or-later
// Whole calls, both ends of them: INVITE, re-INVITE, a request that asks for statistics, BYE.

#pragma once

#include "common.h"
#include "invite.h"

enum { most_hosts = 8 };

/// Makes the requests of the calls that `begin_dialog` begins through `socket`. Where there are several Kamailios, `hosts`,
/// the requests of a call go round all of them, and users' names that begin with "far-" say that the next one is to work
/// on the answer.
void make_dialogs(
		int socket, uint16_t local, const struct sockaddr_in *hosts, int host_count, unsigned run, int streams);

/// Sends the first INVITE of a call. Odd numbers are for sip:blocking@ or sip:far-blocking@, even ones for sip:async@ or
/// sip:far-async@.
void begin_dialog(unsigned number);

/// Sends what has waited, the CANCELs that are due, and again those that nothing has come of. Returns when the next is;
/// INT64_MAX: none.
int64_t send_what_is_due(int64_t now);

/// Takes a message of a call that has come from there, and sends what comes next. `outcome_other` while the call goes on: wrong where SDP came that
/// is neither the relay's nor marked as left alone, refused where the script has said of something that it failed.
/// Where the call has got on, `*has_moved` becomes 1.
enum outcome step_dialog(char *bytes, size_t length, const struct sockaddr_in *from, unsigned *number, int *has_moved);

/// Prints how many offers, answers, statistics and deletions went well and failed.
void print_dialogs(void);

/// Prints what a call waits for that does not end.
void print_hanging_dialog(unsigned number);
