// SPDX-License-Identifier: GPL-2.0-or-later
// What runs beside the Kamailio that is measured, and how its processor time is read.

#pragma once

#include <stdint.h>

/// A scripted RTPProxy for up to BENCH_MAXIMUM_RELAYS addresses, in one process. Ends with its parent.
int bench_relay(int argc, char **argv);

/// Sends INVITEs to Kamailio, takes what it forwards, and prints one line of numbers.
int bench_load(int argc, char **argv);

/// Sends requests until the first is answered, and prints when that was.
int bench_first(int argc, char **argv);

/// Nanoseconds of processor time, user and system, that the processes of a process group have used so far;
/// -1 where it has none.
int64_t bench_processor_time(int group);

/// Keeps this thread, and the programs that it starts from now on, on one core; 0: on all that it had before.
void bench_use_one_core(int one);

/// Nanoseconds of the monotonic clock, the one that bench_first prints.
int64_t bench_now(void);

/// How many calls the load generator can make in one run.
#define BENCH_MAXIMUM_CALLS 400000
/// How many relays one process can stand for.
#define BENCH_MAXIMUM_RELAYS 2000
/// The address that the relays name in their answers, and the port of stream n: BENCH_RELAY_PORT + 2 * n.
#define BENCH_RELAY_ADDRESS "203.0.113.7"
#define BENCH_RELAY_PORT 30000
/// The last number of the address of the first real relay, which are at 127.0.0.
#define BENCH_REAL_RELAY 4
