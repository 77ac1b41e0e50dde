// SPDX-License-Identifier: GPL-2.0-or-later
// What the two halves of the scripted RTPProxy share: the answers, and the sockets that it waits for.

#pragma once

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

enum {
	most_connections = 64,
	longest_answer = 256,
	// What is waited for: commands, orders, the two listening sockets, the connections.
	first_listener = 2,
	first_connection = 4,
};

extern struct pollfd waiting[first_connection + most_connections];
extern unsigned waiting_count;

/// Whether a command is of those that ask for the relay, not for a call.
int is_probe(char verb);

/// Writes what is said to a command, behind the first `cookie` bytes of `datagram`; returns how long it is or would be,
/// of which `longest_answer` bytes have room.
int say(char verb, char *command, char *end, int relay, const char *datagram, int cookie, char *answer);

/// Listens on the unix socket `path`, and with TCP at the address of relay 1. 0 where it cannot.
int listen_for_connections(const char *path, uint16_t port);

/// Answers what has come on connections, and takes new ones.
void serve_connections(void);

/// Sends answers that have been held back for as long as may be; returns how many nanoseconds it is until the next, -1 if
/// there is none.
int64_t send_overdue(void);

/// Writes how many answers were held back until the next command came, and how many for as long as may be.
void write_holds(char *text, size_t size);
