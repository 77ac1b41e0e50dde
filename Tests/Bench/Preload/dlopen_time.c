/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Preloaded into Kamailio: writes to standard error how many nanoseconds dlopen() takes for rtpproxy.so. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void *dlopen(const char *path, int mode)
{
	void *(*real)(const char *, int) = dlsym(RTLD_NEXT, "dlopen");
	struct timespec before, after;
	void *handle;

	clock_gettime(CLOCK_MONOTONIC, &before);
	handle = real(path, mode);
	clock_gettime(CLOCK_MONOTONIC, &after);
	if(path != NULL && strstr(path, "rtpproxy.so") != NULL)
		fprintf(stderr, "dlopen took %ld ns\n",
				(after.tv_sec - before.tv_sec) * 1000000000L + after.tv_nsec - before.tv_nsec);
	return handle;
}
