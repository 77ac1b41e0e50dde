/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loads the module as Kamailio does and fails where that changes the process: `load CASE MODULE`.
 *
 * Linked with stand-ins for the symbols of Kamailio's core, made by the test from what the module asks for. Its
 * constructors run; no function of it is called but those.
 */
#include "expect.h"

#include <dirent.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static const char *module_path;

static void *load(void)
{
	void *module = dlopen(module_path, RTLD_NOW | RTLD_GLOBAL);
	if(module == NULL)
		fail(__FILE__, __LINE__, dlerror());
	EXPECT(dlsym(module, "exports") != NULL);
	return module;
}

static int entries(const char *folder)
{
	DIR *listing = opendir(folder);
	int count = 0;
	EXPECT(listing != NULL);
	while(readdir(listing) != NULL)
		count++;
	closedir(listing);
	return count;
}

static void signals_stay(void)
{
	struct sigaction before[65], after;
	sigset_t blocked_before, blocked_after;
	for(int number = 1; number <= 64; number++) {
		memset(&before[number], 0, sizeof(before[number]));
		sigaction(number, NULL, &before[number]);
	}
	sigprocmask(SIG_SETMASK, NULL, &blocked_before);
	load();
	sigprocmask(SIG_SETMASK, NULL, &blocked_after);
	for(int number = 1; number <= 64; number++) {
		memset(&after, 0, sizeof(after));
		sigaction(number, NULL, &after);
		EXPECT(after.sa_handler == before[number].sa_handler);
		EXPECT(after.sa_flags == before[number].sa_flags);
		EXPECT(sigismember(&blocked_before, number) == sigismember(&blocked_after, number));
	}
}

static void no_thread_starts(void)
{
	load();
	EXPECT(entries("/proc/self/task") == 3); /* `.`, `..` and this one */
}

static void no_descriptor_stays_open(void)
{
	int before = entries("/proc/self/fd");
	load();
	EXPECT(entries("/proc/self/fd") == before);
}

static void no_timer_starts(void)
{
	struct itimerval timer;
	alarm(0); /* that of the case itself */
	load();
	for(int which = ITIMER_REAL; which <= ITIMER_PROF; which++) {
		EXPECT(getitimer(which, &timer) == 0);
		EXPECT(timer.it_value.tv_sec == 0 && timer.it_value.tv_usec == 0);
	}
}

static void environment_stays(void)
{
	extern char **environ;
	char **before = environ;
	int count = 0, later = 0;
	while(environ[count] != NULL)
		count++;
	load();
	while(environ[later] != NULL)
		later++;
	EXPECT(environ == before && later == count);
}

int main(int argc, char **argv)
{
	static const named_case cases[] = {
			{"signals-stay", signals_stay},
			{"no-thread-starts", no_thread_starts},
			{"no-descriptor-stays-open", no_descriptor_stays_open},
			{"no-timer-starts", no_timer_starts},
			{"environment-stays", environment_stays},
	};
	EXPECT(argc == 3);
	module_path = argv[2];
	return run_case(argv[1], cases, sizeof(cases) / sizeof(cases[0]));
}
