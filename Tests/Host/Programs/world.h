/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host for the Swift half without Kamailio: services, a message, an RTPProxy, processes that see the same memory. */
#ifndef WORLD_H
#define WORLD_H

#include "expect.h"
#include "rtpp_abi.h"

#include <stdatomic.h>
#include <sys/types.h>

#define WORLD_LINES 512

/* What all processes of a case see. */
typedef struct world {
	atomic_int phase;
	atomic_int arrived;
	atomic_int count;
	atomic_int lines_logged;
	atomic_ulong counts[RTPP_MOST_COUNTERS];
	char lines[WORLD_LINES][400];
} world;

extern world *the_world;

/* The services that the host lends; logging goes to `the_world`. */
extern const rtpp_host services;
/* How many edits the last `apply_edits` of this process made. */
extern size_t edits_made;

rtpp_bytes text(const char *string);
/* Lines logged so far, by any process, that have `part` in them. */
int lines_with(const char *part);

/* A module with `sock` as rtpproxy_sock, not yet configured; an answer is waited for one second, once. */
rtpp_module *created(const char *sock);
/* Configures a module and gives it memory that all processes share. */
void share(rtpp_module *module);
/* The same as `created`, configured and with its memory shared, ready to be attached to. */
rtpp_module *shared(const char *sock);
/* The same, attached to by this process. */
rtpp_module *attached(const char *sock);
/* Memory that all processes forked from here on see; zeroed, aligned. */
void *shared_memory(size_t size);

/* An INVITE with SDP of so many streams; each gives another message of another call, all of one length. */
rtpp_message invite(int streams);
/* The 200 to it, with SDP of so many streams. */
rtpp_message ok(int streams);

/* Starts an RTPProxy on a free port of 127.0.0.1, and says which; it ends with this process. */
pid_t start_rtpproxy(int *port);
/* Starts the module's own process. */
pid_t start_monitor(rtpp_module *module);
/* Starts `body(index)` in a process of its own, which is to go on until it is stopped. */
pid_t start(void (*body)(int index), int index);
void stop(pid_t process);
/* Runs `body(index)` in `count` processes and expects all of them to end well. */
void in_processes(int count, void (*body)(int index));
/* Holds each of `count` processes until all of them have come here for the `time`th time. */
void meet(int count, int time);

#endif
