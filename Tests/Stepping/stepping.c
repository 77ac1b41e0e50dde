/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Single steps of a forked process, by ptrace(2). */
#include "stepping.h"

#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

/* Whether the process has stopped, and has not ended. */
static int has_stopped(pid_t process)
{
	int status = 0;
	return waitpid(process, &status, 0) == process && WIFSTOPPED(status);
}

long stepping_run(void (*work)(void *), void *context, long limit, stepping_watch *watch)
{
	pid_t process = fork();
	if(process < 0)
		return -1;
	if(process == 0) {
		if(ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
			_exit(1);
		raise(SIGSTOP);
		work(context);
		_exit(0);
	}
	if(!has_stopped(process))
		return -1;
	char *image = NULL;
	if(watch != NULL) {
		image = watch->images;
		memcpy(image, watch->memory, watch->size);
		watch->count = 0;
	}
	long made = 0;
	for(; made < limit; made++) {
		if(ptrace(PTRACE_SINGLESTEP, process, NULL, NULL) != 0 || !has_stopped(process))
			return made;
		if(watch == NULL || memcmp(image, watch->memory, watch->size) == 0)
			continue;
		if(watch->count == watch->room)
			break;
		image += watch->size;
		memcpy(image, watch->memory, watch->size);
		watch->changes[watch->count++] = made + 1;
	}
	kill(process, SIGKILL);
	waitpid(process, NULL, 0);
	return made;
}
