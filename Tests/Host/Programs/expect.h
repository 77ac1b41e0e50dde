/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the host programs have in common: an expectation that ends the process, and cases by name. */
#ifndef EXPECT_H
#define EXPECT_H

#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static inline void fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, what);
	_exit(1);
}

/* Ends this process with status 1 unless `condition` holds. */
#define EXPECT(condition)                         \
	do {                                          \
		if(!(condition))                          \
			fail(__FILE__, __LINE__, #condition); \
	} while(0)

typedef struct named_case {
	const char *name;
	void (*run)(void);
} named_case;

/* Runs the case of that name; 0: it held, 2: there is none. A case that hangs is ended by the kernel. */
static inline int run_case(const char *name, const named_case *cases, size_t count)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL); /* whatever the starter had blocked */
	alarm(30);
	for(size_t i = 0; i < count; i++) {
		if(strcmp(cases[i].name, name) == 0) {
			cases[i].run();
			return 0;
		}
	}
	fprintf(stderr, "no case %s\n", name);
	return 2;
}

#endif
