// SPDX-License-Identifier: GPL-2.0-or-later
// The sessions of the scripted relays, as RTPProxy keeps them: made, deleted, expired, gone with the process.
//
// What is counted stands in a file that is mapped, because the process may be killed at any moment: what its sessions
// were is known to the next one all the same.

#include "common.h"
#include "programs.h"
#include "sessions.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	// A power of two. Sessions that nobody deletes stay for their time: a thousand a second find room.
	most_sessions = 1 << 16,
	longest_call = 64,
	longest_cookie = 48,
	longest_remembered = 96,
	cookie_rows = 1 << 14,
	cookies_in_row = 8,
};

struct session {
	struct session *next_in_row;
	// In the order of the last command, for they all have the same time.
	struct session *older, *newer;
	int64_t touched;
	int relay;
	int is_excused;
	int length;
	char call[longest_call];
};

struct memory {
	int relay;
	char cookie[longest_cookie];
	char answer[longest_remembered];
};

// In the file.
static struct tally {
	uint64_t made, deleted, expired, unexcused, gone, commands, repeated;
	uint8_t is_excused[BENCH_MAXIMUM_RELAYS];
} * tally;

static int64_t time_to_live;
static struct session pool[most_sessions], *rows[most_sessions], *unused, *oldest, *newest;
static uint64_t left;
static struct memory memories[cookie_rows][cookies_in_row];
static uint8_t next_memory[cookie_rows];

int keep_sessions(const char *file, int64_t ttl)
{
	int descriptor = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if(descriptor < 0 || ftruncate(descriptor, sizeof *tally))
		return 0;
	void *mapped = mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
	close(descriptor);
	if(mapped == MAP_FAILED)
		return 0;
	tally = mapped;
	tally->gone = tally->made - tally->deleted - tally->expired;
	time_to_live = ttl;
	for(int i = 0; i < most_sessions; i++) {
		pool[i].next_in_row = unused;
		unused = &pool[i];
	}
	return 1;
}

int are_sessions_kept(void)
{
	return tally != NULL;
}

// FNV-1a
static uint64_t hash(int relay, const char *text, size_t length)
{
	uint64_t value = 0xCBF29CE484222325 ^ relay;
	for(size_t i = 0; i < length; i++)
		value = (value ^ (unsigned char)text[i]) * 0x100000001B3;
	return value ^ value >> 32;
}

// The place that points to the session, or to nothing at the end of its row.
static struct session **place_of(int relay, const char *call, size_t length)
{
	struct session **place = &rows[hash(relay, call, length) % most_sessions];
	while(*place
			&& ((*place)->relay != relay || (size_t)(*place)->length != length || memcmp((*place)->call, call, length)))
		place = &(*place)->next_in_row;
	return place;
}

static void take_out_of_order(struct session *session)
{
	*(session->older ? &session->older->newer : &oldest) = session->newer;
	*(session->newer ? &session->newer->older : &newest) = session->older;
}

static void touch(struct session *session, int64_t now)
{
	session->touched = now;
	session->is_excused |= tally->is_excused[session->relay];
	session->older = newest;
	session->newer = NULL;
	*(newest ? &newest->newer : &oldest) = session;
	newest = session;
}

static void release(struct session **place)
{
	struct session *session = *place;
	take_out_of_order(session);
	*place = session->next_in_row;
	session->next_in_row = unused;
	unused = session;
	left--;
}

int make_session(int relay, const char *call, size_t length, int64_t now)
{
	if(find_session(relay, call, length, now))
		return 1;
	if(!unused || length > longest_call)
		return 0;
	struct session **place = place_of(relay, call, length), *session = unused;
	unused = session->next_in_row;
	*session = (struct session){.relay = relay, .length = length};
	memcpy(session->call, call, length);
	*place = session;
	touch(session, now);
	tally->made++;
	left++;
	return 1;
}

int find_session(int relay, const char *call, size_t length, int64_t now)
{
	struct session *session = *place_of(relay, call, length);
	if(!session)
		return 0;
	take_out_of_order(session);
	touch(session, now);
	return 1;
}

int delete_session(int relay, const char *call, size_t length)
{
	struct session **place = place_of(relay, call, length);
	if(!*place)
		return 0;
	release(place);
	tally->deleted++;
	return 1;
}

void expire_sessions(int64_t now)
{
	while(oldest && oldest->touched + time_to_live <= now) {
		tally->expired++;
		tally->unexcused += !oldest->is_excused;
		release(place_of(oldest->relay, oldest->call, oldest->length));
	}
}

void excuse_sessions(int relay, int is_excused)
{
	tally->is_excused[relay] = is_excused;
	for(struct session *session = oldest; is_excused && session; session = session->newer)
		session->is_excused |= session->relay == relay;
}

const char *remembered_answer(int relay, const char *cookie, size_t length)
{
	struct memory *row = memories[hash(relay, cookie, length) % cookie_rows];
	for(int i = 0; i < cookies_in_row && length < longest_cookie; i++)
		if(row[i].relay == relay && !strncmp(row[i].cookie, cookie, length) && !row[i].cookie[length])
			return row[i].answer;
	return NULL;
}

void remember_answer(int relay, const char *cookie, size_t length, const char *answer)
{
	uint64_t row = hash(relay, cookie, length) % cookie_rows;
	if(length >= longest_cookie || strlen(answer) >= longest_remembered)
		return;
	struct memory *memory = &memories[row][next_memory[row]++ % cookies_in_row];
	memory->relay = relay;
	memcpy(memory->cookie, cookie, length);
	memory->cookie[length] = 0;
	strcpy(memory->answer, answer);
}

void count_command(int is_repeated)
{
	tally->commands += !is_repeated;
	tally->repeated += is_repeated;
}

void write_tally(char *text, size_t size)
{
	snprintf(text, size, "%llu %llu %llu %llu %llu %llu %llu %llu", (unsigned long long)tally->made,
			(unsigned long long)tally->deleted, (unsigned long long)tally->expired,
			(unsigned long long)tally->unexcused, (unsigned long long)tally->gone, (unsigned long long)left,
			(unsigned long long)tally->commands, (unsigned long long)tally->repeated);
}
