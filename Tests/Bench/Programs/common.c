// SPDX-License-Identifier: GPL-2.0-or-later
// Sockets, the clock, and the processor time of a process group.

#include "common.h"
#include "programs.h"

#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

int64_t bench_now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

void end_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

int udp_socket(uint32_t address, uint16_t *port)
{
	int made = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int size = 4 << 20;
	if(made < 0)
		return -1;
	setsockopt(made, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address), .sin_port = htons(*port)};
	socklen_t length = sizeof name;
	if(bind(made, (struct sockaddr *)&name, sizeof name) || getsockname(made, (struct sockaddr *)&name, &length)) {
		close(made);
		return -1;
	}
	*port = ntohs(name.sin_port);
	return made;
}

void bench_use_one_core(int one)
{
	static cpu_set_t before;
	static int is_known;
	if(!is_known && sched_getaffinity(0, sizeof before, &before))
		return;
	is_known = 1;
	cpu_set_t wanted = before;
	for(int core = 0, found = 0; one && core < CPU_SETSIZE; core++) {
		if(found)
			CPU_CLR(core, &wanted);
		found |= CPU_ISSET(core, &wanted);
	}
	sched_setaffinity(0, sizeof wanted, &wanted);
}

// The first line of a file below /proc; 0 where it cannot be read.
static int read_line(char *line, int size, const char *path)
{
	FILE *file = fopen(path, "re");
	if(!file)
		return 0;
	int there = fgets(line, size, file) != NULL;
	fclose(file);
	return there;
}

// Process group, and user plus system time in clock ticks, of a process. 0 where it is gone.
static int read_stat(const char *pid, int *group, int64_t *ticks)
{
	char path[300], line[1024];
	snprintf(path, sizeof path, "/proc/%s/stat", pid);
	if(!read_line(line, sizeof line, path))
		return 0;
	// The name, in parentheses, may hold anything.
	char *rest = strrchr(line, ')');
	unsigned long user, system;
	if(!rest || sscanf(rest + 1, " %*c %*d %d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", group, &user, &system) != 3)
		return 0;
	*ticks = user + system;
	return 1;
}

// The threads' time to the nanosecond; -1 where this kernel does not tell it.
static int64_t scheduled(const char *pid)
{
	char path[600], line[200];
	snprintf(path, sizeof path, "/proc/%s/task", pid);
	DIR *threads = opendir(path);
	if(!threads)
		return -1;
	int64_t sum = -1;
	for(struct dirent *thread; (thread = readdir(threads));) {
		long long time;
		if(*thread->d_name == '.')
			continue;
		snprintf(path, sizeof path, "/proc/%s/task/%s/schedstat", pid, thread->d_name);
		if(read_line(line, sizeof line, path) && sscanf(line, "%lld", &time) == 1)
			sum = (sum < 0 ? 0 : sum) + time;
	}
	closedir(threads);
	return sum;
}

int64_t bench_processor_time(int group)
{
	DIR *processes = opendir("/proc");
	if(!processes)
		return -1;
	int64_t sum = -1;
	for(struct dirent *process; (process = readdir(processes));) {
		int of;
		int64_t ticks;
		if(*process->d_name < '0' || *process->d_name > '9' || !read_stat(process->d_name, &of, &ticks) || of != group)
			continue;
		int64_t time = scheduled(process->d_name);
		if(time < 0)
			time = ticks * (1000000000 / sysconf(_SC_CLK_TCK));
		sum = (sum < 0 ? 0 : sum) + time;
	}
	closedir(processes);
	return sum;
}
