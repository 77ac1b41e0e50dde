/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs a piece of work in a process of its own, one instruction at a time, and kills it after so many of them. */
#ifndef STEPPING_H
#define STEPPING_H

#include <stddef.h>

/* What such a process did to the memory that is watched. */
typedef struct stepping_watch {
	/* Shared with the process. */
	const void *memory;
	size_t size;
	/* The memory after each instruction that changed it, one image behind the other. Before the first of them there is
	 * one that is filled in at the beginning. */
	void *images;
	/* After how many instructions that was. */
	long *changes;
	/* How many changes there is room for, and how many there were. */
	size_t room, count;
} stepping_watch;

/* Forks; the child runs `work(context)` and ends. It is stepped through `limit` instructions, counted from just before
 * the work, and then killed with SIGKILL. How many it made: fewer than `limit` where it ended before. -1: errno(3).
 * `watch` may be NULL. */
long stepping_run(void (*work)(void *), void *context, long limit, stepping_watch *watch);

#endif
