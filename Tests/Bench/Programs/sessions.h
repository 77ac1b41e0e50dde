// SPDX-License-Identifier: GPL-2.0-or-later
// The sessions of the scripted relays, as RTPProxy keeps them: made, deleted, expired, gone with the process.

#pragma once

#include <stddef.h>
#include <stdint.h>

/// Keeps sessions from now on; one that nothing asks for expires after `ttl` nanoseconds. What is counted stands in
/// `file`, which the next process goes on with. 0 where the file cannot be had.
int keep_sessions(const char *file, int64_t ttl);

/// Whether sessions are kept.
int are_sessions_kept(void);

/// Makes the session of this call at this relay, or touches it. 0 where there is no room.
int make_session(int relay, const char *call, size_t length, int64_t now);

/// Touches it; 0 where there is none.
int find_session(int relay, const char *call, size_t length, int64_t now);

/// Deletes it; 0 where there is none.
int delete_session(int relay, const char *call, size_t length);

/// Lets those expire whose time is over.
void expire_sessions(int64_t now);

/// From now on sessions at a relay may be left to expire, because Kamailio cannot reach it; or no longer.
void excuse_sessions(int relay, int is_excused);

/// The answer to this cookie, where the command has been answered before; NULL where it is new. RTPProxy, too, does not
/// run a repeated command twice.
const char *remembered_answer(int relay, const char *cookie, size_t length);

/// Remembers an answer.
void remember_answer(int relay, const char *cookie, size_t length, const char *answer);

/// Counts a command of a call that has come, for the first time or again.
void count_command(int is_repeated);

/// Writes what has been counted, over all processes: "made deleted expired unexcused gone left commands repeated".
void write_tally(char *text, size_t size);
