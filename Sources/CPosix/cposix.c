/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What cannot be inline: types that glibc declares under _GNU_SOURCE only, and what is kept between calls. */
#define _GNU_SOURCE
#include "cposix.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
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
    for (size_t i = 0; i < count; i++) {
        if (parts[i].start < 0 || parts[i].count < 0 || (size_t)parts[i].start > length
                || (size_t)parts[i].count > length - (size_t)parts[i].start)
            return -(int64_t)EINVAL;
        places[i].iov_base = (void *)(uintptr_t)(bytes + parts[i].start);
        places[i].iov_len = (size_t)parts[i].count;
    }
    /* One datagram costs the kernel less this way. */
    if (count == 1)
        return send(fd, places[0].iov_base, places[0].iov_len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -(int64_t)errno : 1;
    memset(messages, 0, count * sizeof *messages);
    for (size_t i = 0; i < count; i++) {
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
    if (count == 1) {
        ssize_t length = recv(fd, bytes, slot, MSG_DONTWAIT | MSG_TRUNC);
        if (length < 0)
            return -(int64_t)errno;
        lengths[0] = (uint32_t)length;
        return 1;
    }
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

/* --- look-ups: getaddrinfo(3) on threads, because it has no time limit and cannot be cancelled --- */

/* The old symbol versions: those since glibc 2.34 would need that glibc. */
#if defined(__GLIBC__) && defined(__x86_64__)
__asm__(".symver pthread_create, pthread_create@GLIBC_2.2.5");
__asm__(".symver pthread_attr_setstacksize, pthread_attr_setstacksize@GLIBC_2.2.5");
#elif defined(__GLIBC__) && defined(__aarch64__)
__asm__(".symver pthread_create, pthread_create@GLIBC_2.17");
__asm__(".symver pthread_attr_setstacksize, pthread_attr_setstacksize@GLIBC_2.17");
#endif

struct cposix_lookup {
    char name[254];
    uint16_t port;
    int kind;
    int32_t signal;
    int result;
    size_t found;
    cposix_address addresses[CPOSIX_MOST_ADDRESSES];
    /* Set by the thread after everything else. */
    atomic_bool is_over;
    /* The thread and its starter: the last of them to let go frees the memory. */
    atomic_int holders;
};

void cposix_lookup_release(cposix_lookup *lookup)
{
    if (lookup != NULL && atomic_fetch_sub(&lookup->holders, 1) == 1)
        free(lookup);
}

static void *look_up(void *argument)
{
    cposix_lookup *lookup = argument;
    struct addrinfo *all = NULL;

    lookup->result = cposix_query(lookup->name, lookup->kind, false, &all);
    for (const struct addrinfo *one = all; one != NULL && lookup->found < CPOSIX_MOST_ADDRESSES; one = one->ai_next) {
        cposix_address address;
        bool is_new = true;
        cposix_address_from(one->ai_addr, &address);
        address.words[0] |= (uint64_t)lookup->port << 16;
        for (size_t i = 0; i < lookup->found; i++)
            if (memcmp(&lookup->addresses[i], &address, sizeof address) == 0)
                is_new = false;
        if (is_new)
            lookup->addresses[lookup->found++] = address;
    }
    if (all != NULL)
        freeaddrinfo(all);
    atomic_store(&lookup->is_over, true);
    (void)cposix_ring(lookup->signal);
    cposix_lookup_release(lookup);
    return NULL;
}

cposix_lookup *cposix_lookup_start(const uint8_t *host, size_t count, uint16_t port, int kind, int32_t signal)
{
    cposix_lookup *lookup = calloc(1, sizeof *lookup);
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;

    if (lookup == NULL)
        return NULL;
    if (!cposix_copy_name(host, count, kind, lookup->name) || pthread_attr_init(&attributes) != 0) {
        free(lookup);
        return NULL;
    }
    lookup->port = port;
    lookup->kind = kind;
    lookup->signal = signal;
    atomic_init(&lookup->is_over, false);
    atomic_init(&lookup->holders, 2);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    /* The resolver needs little; the usual 8 MiB would count where all memory is locked. */
    pthread_attr_setstacksize(&attributes, 1024 * 1024);
    /* Signals are blocked in the thread: the process's handlers run on its own thread. */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&thread, &attributes, look_up, lookup);
    sigprocmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (failure == 0)
        return lookup;
    free(lookup);
    return NULL;
}

bool cposix_lookup_is_over(cposix_lookup *lookup) { return atomic_load(&lookup->is_over); }

int cposix_lookup_result(const cposix_lookup *lookup, cposix_address *out, size_t *found)
{
    memcpy(out, lookup->addresses, lookup->found * sizeof *out);
    *found = lookup->found;
    return lookup->result;
}
