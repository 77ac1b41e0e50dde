/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What needs a place of its own: types that glibc declares under _GNU_SOURCE only, and what is kept between calls. */
#define _GNU_SOURCE
#include "cposix.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

static int64_t process_id = 0;
static bool forks_are_noticed = false;

static void forget_process_id(void) { process_id = 0; }

int64_t cposix_process_id(void)
{
    if (process_id != 0)
        return process_id;
    if (!forks_are_noticed)
        forks_are_noticed = pthread_atfork(NULL, NULL, forget_process_id) == 0;
    if (forks_are_noticed)
        process_id = getpid();
    return getpid();
}

static struct {
    char name[32];
    bool stream;
    uint16_t port;
} services[16];
static size_t known_services = 0;
static pthread_mutex_t services_lock = PTHREAD_MUTEX_INITIALIZER;

uint16_t cposix_service_port(const uint8_t *name, size_t count, bool stream)
{
    char text[sizeof services[0].name];
    if (count == 0 || count >= sizeof text || memchr(name, 0, count) != NULL)
        return 0;
    memcpy(text, name, count);
    text[count] = 0;
    uint16_t port = 0;
    pthread_mutex_lock(&services_lock);
    for (size_t i = 0; i < known_services; i++) {
        if (services[i].stream == stream && strcmp(services[i].name, text) == 0)
            port = services[i].port;
    }
    if (port == 0) {
        const struct servent *found = getservbyname(text, stream ? "tcp" : "udp");
        if (found != NULL)
            port = ntohs((uint16_t)found->s_port);
        if (port != 0 && known_services < sizeof services / sizeof *services) {
            strcpy(services[known_services].name, text);
            services[known_services].stream = stream;
            services[known_services++].port = port;
        }
    }
    pthread_mutex_unlock(&services_lock);
    return port;
}

int64_t cposix_send_many(int fd, const uint8_t *bytes, size_t length, const cposix_range *parts, size_t count)
{
    struct mmsghdr messages[CPOSIX_BATCH];
    struct iovec places[CPOSIX_BATCH];
    if (count > CPOSIX_BATCH)
        count = CPOSIX_BATCH;
    memset(messages, 0, count * sizeof *messages);
    for (size_t i = 0; i < count; i++) {
        if (parts[i].start < 0 || parts[i].count < 0 || (size_t)parts[i].start > length
                || (size_t)parts[i].count > length - (size_t)parts[i].start)
            return -(int64_t)EINVAL;
        places[i].iov_base = (void *)(uintptr_t)(bytes + parts[i].start);
        places[i].iov_len = (size_t)parts[i].count;
        messages[i].msg_hdr.msg_iov = &places[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    int sent = sendmmsg(fd, messages, (unsigned)count, MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent < 0 ? -(int64_t)errno : sent;
}

int64_t cposix_receive_many(int fd, uint8_t *bytes, size_t slot, uint32_t *lengths, size_t count)
{
    struct mmsghdr messages[CPOSIX_BATCH];
    struct iovec places[CPOSIX_BATCH];
    if (count > CPOSIX_BATCH)
        count = CPOSIX_BATCH;
    memset(messages, 0, count * sizeof *messages);
    for (size_t i = 0; i < count; i++) {
        places[i].iov_base = bytes + i * slot;
        places[i].iov_len = slot;
        messages[i].msg_hdr.msg_iov = &places[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    int got = recvmmsg(fd, messages, (unsigned)count, MSG_DONTWAIT | MSG_TRUNC, NULL);
    for (int i = 0; i < got; i++)
        lengths[i] = messages[i].msg_len;
    return got < 0 ? -(int64_t)errno : got;
}

/* By statx, which glibc 2.28 has: what lstat is today began with 2.33. */
int64_t cposix_unlink_socket(const uint8_t *path, size_t count)
{
    struct sockaddr_un a;
    struct statx s;
    if (!cposix_unix_address(path, count, &a))
        return -(int64_t)ENAMETOOLONG;
    if (statx(AT_FDCWD, a.sun_path, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &s) < 0)
        return -(int64_t)errno;
    if (!S_ISSOCK(s.stx_mode))
        return -(int64_t)EEXIST;
    return unlink(a.sun_path) < 0 ? -(int64_t)errno : 0;
}
