/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What Embedded Swift wants of libc that a glibc before 2.36 lacks. The version script keeps it inside the module. */

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/* Seeds Swift's hash tables, nothing else: cookies have their own source. */
void arc4random_buf(void *buffer, size_t size)
{
	char *next = buffer;

	while(size > 0) {
		ssize_t got = getrandom(next, size, 0);

		if(got > 0) {
			next += got;
			size -= (size_t)got;
		} else if(errno != EINTR) {
			struct timespec now;

			/* A kernel without getrandom: the seed is something that an outsider has to guess. */
			clock_gettime(CLOCK_REALTIME, &now);
			memset(next, (int)now.tv_nsec, size);
			return;
		}
	}
}
