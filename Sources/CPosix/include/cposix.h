/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System calls for Transport: socket addresses are built here, and errno never leaves.
 *
 * Each function makes one system call (resolver functions apart) and returns its result, or -errno.
 * An address is three words: kind (4 or 6) in bits 0-7, port in bits 16-31, IPv6 scope in bits 32-63 of the first;
 * the address in network order, read as big-endian, in the others (IPv4: the low half of the second).
 */
#ifndef CPOSIX_H
#define CPOSIX_H

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* glibc declares these under _GNU_SOURCE only, and a header that defines it makes other types than Swift's Glibc. */
extern int ppoll(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);
#ifndef EAI_NODATA
#define EAI_NODATA -5
#endif
#ifndef EAI_ADDRFAMILY
#define EAI_ADDRFAMILY -9
#endif

typedef struct cposix_address {
    uint64_t words[3];
} cposix_address;

/* Address kinds; the numbers of the first two are what users write behind IN IP. */
enum { CPOSIX_IPV4 = 4, CPOSIX_IPV6 = 6, CPOSIX_UNIX = 1 };

/* Nanoseconds of CLOCK_MONOTONIC. */
static inline uint64_t cposix_now(void)
{
    struct timespec t = {0, 0};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Microseconds of CLOCK_REALTIME. */
static inline uint64_t cposix_wall(void)
{
    struct timespec t = {0, 0};
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* The number of this process. A system call the first time only: a fork is noticed by itself. */
int64_t cposix_process_id(void);

/* At most 256 bytes at once are all or nothing once the kernel's source is seeded (getrandom(2)). */
static inline int64_t cposix_random(uint8_t *bytes, size_t count)
{
    ssize_t got = getrandom(bytes, count, 0);
    return got < 0 ? -(int64_t)errno : got;
}

/* A counter that wakes up whoever waits for it to become readable. */
static inline int64_t cposix_eventfd(void)
{
    int descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return descriptor < 0 ? -(int64_t)errno : descriptor;
}

/* Adds one to the counter; false where it cannot grow, which is no fault: it is readable then. */
static inline bool cposix_ring(int32_t descriptor)
{
    uint64_t one = 1;
    return write(descriptor, &one, sizeof(one)) == (ssize_t)sizeof(one);
}

/* Takes the counter back to 0; false where it was. */
static inline bool cposix_quieten(int32_t descriptor)
{
    uint64_t count;
    return read(descriptor, &count, sizeof(count)) == (ssize_t)sizeof(count);
}

/* A non-blocking, close-on-exec socket: for IPv4 and IPv6 a datagram one or, where `stream`, TCP; for unix a stream. */
static inline int64_t cposix_socket(int kind, bool stream)
{
    int family = kind == CPOSIX_UNIX ? AF_UNIX : kind == CPOSIX_IPV6 ? AF_INET6 : AF_INET;
    int type = stream || kind == CPOSIX_UNIX ? SOCK_STREAM : SOCK_DGRAM;
    int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return fd < 0 ? -(int64_t)errno : fd;
}

/* Small segments leave at once (TCP_NODELAY). */
static inline int64_t cposix_no_delay(int fd)
{
    int on = 1;
    return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 ? -(int64_t)errno : 0;
}

static inline int64_t cposix_close(int fd) { return close(fd) < 0 ? -(int64_t)errno : 0; }

/* Fills `any` from an address's words; how long it is. */
static inline socklen_t cposix_address_to(uint64_t w0, uint64_t w1, uint64_t w2, struct sockaddr_storage *any)
{
    uint16_t port = (uint16_t)(w0 >> 16);
    memset(any, 0, sizeof *any);
    if ((w0 & 0xff) == CPOSIX_IPV4) {
        struct sockaddr_in *a = (struct sockaddr_in *)any;
        a->sin_family = AF_INET;
        a->sin_port = htons(port);
        a->sin_addr.s_addr = htonl((uint32_t)w1);
        return sizeof *a;
    }
    struct sockaddr_in6 *a = (struct sockaddr_in6 *)any;
    a->sin6_family = AF_INET6;
    a->sin6_port = htons(port);
    a->sin6_scope_id = (uint32_t)(w0 >> 32);
    for (int i = 0; i < 8; i++) {
        a->sin6_addr.s6_addr[i] = (uint8_t)(w1 >> (56 - 8 * i));
        a->sin6_addr.s6_addr[8 + i] = (uint8_t)(w2 >> (56 - 8 * i));
    }
    return sizeof *a;
}

static inline int64_t cposix_connect(int fd, uint64_t w0, uint64_t w1, uint64_t w2)
{
    struct sockaddr_storage a;
    socklen_t length = cposix_address_to(w0, w1, w2, &a);
    return connect(fd, (const struct sockaddr *)&a, length) < 0 ? -(int64_t)errno : 0;
}

/* Fills `a` with the path of a unix socket; false where it does not fit. */
static inline bool cposix_unix_address(const uint8_t *path, size_t count, struct sockaddr_un *a)
{
    memset(a, 0, sizeof *a);
    if (path == NULL || count == 0 || count >= sizeof a->sun_path)
        return false;
    a->sun_family = AF_UNIX;
    memcpy(a->sun_path, path, count);
    return true;
}

static inline int64_t cposix_connect_unix(int fd, const uint8_t *path, size_t count)
{
    struct sockaddr_un a;
    if (!cposix_unix_address(path, count, &a))
        return -(int64_t)ENAMETOOLONG;
    return connect(fd, (const struct sockaddr *)&a, sizeof a) < 0 ? -(int64_t)errno : 0;
}

/* Gives a TCP socket its address, also where an earlier one's connections linger. */
static inline int64_t cposix_bind(int fd, uint64_t w0, uint64_t w1, uint64_t w2)
{
    struct sockaddr_storage a;
    socklen_t length = cposix_address_to(w0, w1, w2, &a);
    int on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return bind(fd, (const struct sockaddr *)&a, length) < 0 ? -(int64_t)errno : 0;
}

/* Gives a unix socket its path, for its owner and group: what the umask leaves of that first, then all of it. */
static inline int64_t cposix_bind_unix(int fd, const uint8_t *path, size_t count)
{
    struct sockaddr_un a;
    if (!cposix_unix_address(path, count, &a))
        return -(int64_t)ENAMETOOLONG;
    if (fchmod(fd, S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP) < 0)
        return -(int64_t)errno;
    if (bind(fd, (const struct sockaddr *)&a, sizeof a) < 0)
        return -(int64_t)errno;
    return chmod(a.sun_path, S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP) < 0 ? -(int64_t)errno : 0;
}

/* Removes the file at `path` if it is a socket. */
int64_t cposix_unlink_socket(const uint8_t *path, size_t count);

/* Gives the socket file at `path` to others; -1 leaves the user or the group as it is. */
static inline int64_t cposix_give_socket(const uint8_t *path, size_t count, int32_t user, int32_t group)
{
    struct sockaddr_un a;
    if (!cposix_unix_address(path, count, &a))
        return -(int64_t)ENAMETOOLONG;
    return lchown(a.sun_path, (uid_t)user, (gid_t)group) < 0 ? -(int64_t)errno : 0;
}

static inline int64_t cposix_listen(int fd) { return listen(fd, 64) < 0 ? -(int64_t)errno : 0; }

static inline void cposix_address_from(const struct sockaddr *any, cposix_address *out);

/* The next connection, without blocking. `from`: who made it; three zeros for a unix socket. */
static inline int64_t cposix_accept(int fd, cposix_address *from)
{
    struct sockaddr_storage any;
    socklen_t length = sizeof any;
    memset(&any, 0, sizeof any);
    memset(from, 0, sizeof *from);
    int accepted = accept(fd, (struct sockaddr *)&any, &length);
    if (accepted >= 0 && (any.ss_family == AF_INET || any.ss_family == AF_INET6))
        cposix_address_from((const struct sockaddr *)&any, from);
    if (accepted < 0)
        return -(int64_t)errno;
    if (fcntl(accepted, F_SETFD, FD_CLOEXEC) < 0 || fcntl(accepted, F_SETFL, O_NONBLOCK) < 0) {
        int fault = errno;
        close(accepted);
        return -(int64_t)fault;
    }
    return accepted;
}

/* Never raises SIGPIPE. */
static inline int64_t cposix_send(int fd, const uint8_t *bytes, size_t count)
{
    ssize_t sent = send(fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent < 0 ? -(int64_t)errno : sent;
}

static inline int64_t cposix_receive(int fd, uint8_t *bytes, size_t count)
{
    ssize_t got = recv(fd, bytes, count, MSG_DONTWAIT);
    return got < 0 ? -(int64_t)errno : got;
}

/* A part of a buffer: its first byte's offset and its length. */
typedef struct cposix_range {
    ptrdiff_t start, count;
} cposix_range;

/* What one call of the two below takes at most. */
enum { CPOSIX_BATCH = 16 };

/* Sends parts of `bytes`, each as a datagram of its own; how many went, the first ones. Never raises SIGPIPE. A part
 * that does not lie within the first `length` bytes: EINVAL. */
int64_t cposix_send_many(int fd, const uint8_t *bytes, size_t length, const cposix_range *parts, size_t count);

/* Receives what datagrams there are, the n-th to `bytes + n * slot`, cut off there; `lengths` says how long each was.
 * How many came. */
int64_t cposix_receive_many(int fd, uint8_t *bytes, size_t slot, uint32_t *lengths, size_t count);

static inline int64_t cposix_poll(struct pollfd *entries, size_t count, uint64_t nanoseconds)
{
    struct timespec t;
    t.tv_sec = (time_t)(nanoseconds / 1000000000u);
    t.tv_nsec = (long)(nanoseconds % 1000000000u);
    int ready = ppoll(entries, (nfds_t)count, &t, NULL);
    return ready < 0 ? -(int64_t)errno : ready;
}

static inline void cposix_address_from(const struct sockaddr *any, cposix_address *out)
{
    if (any->sa_family == AF_INET) {
        const struct sockaddr_in *a = (const struct sockaddr_in *)any;
        out->words[0] = CPOSIX_IPV4 | (uint64_t)ntohs(a->sin_port) << 16;
        out->words[1] = ntohl(a->sin_addr.s_addr);
        out->words[2] = 0;
    } else {
        const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)any;
        out->words[0] = CPOSIX_IPV6 | (uint64_t)ntohs(a->sin6_port) << 16 | (uint64_t)a->sin6_scope_id << 32;
        out->words[1] = out->words[2] = 0;
        for (int i = 0; i < 8; i++) {
            out->words[1] = out->words[1] << 8 | a->sin6_addr.s6_addr[i];
            out->words[2] = out->words[2] << 8 | a->sin6_addr.s6_addr[8 + i];
        }
    }
}

/* The port of a service by its name, as this system has it for UDP or, where `stream`, TCP; 0 where it has none, or the
 * name holds a NUL or is longer than 31 bytes. What was found is kept, also over a fork. */
uint16_t cposix_service_port(const uint8_t *name, size_t count, bool stream);

/* Makes a C string of a host; false where it holds a NUL or is longer than 253 bytes. The host `*` is this one. */
static inline bool cposix_copy_name(const uint8_t *host, size_t count, int kind, char name[254])
{
    if (host == NULL || count == 0 || count >= 254 || memchr(host, 0, count) != NULL)
        return false;
    memcpy(name, host, count);
    name[count] = 0;
    if (strcmp(name, "*") == 0)
        strcpy(name, kind == CPOSIX_IPV6 ? "::1" : "127.0.0.1");
    return true;
}

/* All addresses of a host of one family; `numeric_only` never blocks. 0, or the EAI_ code. */
static inline int cposix_query(const char *name, int kind, bool numeric_only, struct addrinfo **found)
{
    struct addrinfo hints;
    memset(&hints, 0, sizeof hints);
    hints.ai_family = kind == CPOSIX_IPV6 ? AF_INET6 : AF_INET;
    hints.ai_socktype = SOCK_DGRAM;
    hints.ai_flags = numeric_only ? AI_NUMERICHOST : 0;
    return getaddrinfo(name, NULL, &hints, found);
}

/* Resolves a host of one family; `numeric_only` never blocks. 0, or the EAI_ code. A host that is none: EAI_NONAME. */
static inline int cposix_resolve(
    const uint8_t *host, size_t count, uint16_t port, int kind, bool numeric_only, cposix_address *out)
{
    char name[254];
    struct addrinfo *found = NULL;
    if (!cposix_copy_name(host, count, kind, name))
        return EAI_NONAME;
    int result = cposix_query(name, kind, numeric_only, &found);
    if (result != 0)
        return result;
    cposix_address_from(found->ai_addr, out);
    freeaddrinfo(found);
    out->words[0] |= (uint64_t)port << 16;
    return 0;
}

/* Most addresses of a name that are told. */
enum { CPOSIX_MOST_ADDRESSES = 16 };

/* A host that is being looked up on a thread of its own, which touches nothing but this. */
typedef struct cposix_lookup cposix_lookup;

/* Begins to resolve a host of one family, as cposix_resolve does, without blocking; `signal`: the counter that grows
 * once that is over. NULL where there is no memory or no thread. To be released. */
cposix_lookup *cposix_lookup_start(const uint8_t *host, size_t count, uint16_t port, int kind, int32_t signal);

/* Whether it is over. */
bool cposix_lookup_is_over(cposix_lookup *lookup);

/* Once it is over: 0, or the EAI_ code. `found` says how many addresses there are in `out`, which has room for
 * CPOSIX_MOST_ADDRESSES, each once, in the order of the resolver. */
int cposix_lookup_result(const cposix_lookup *lookup, cposix_address *out, size_t *found);

/* Forgets it, over or not. */
void cposix_lookup_release(cposix_lookup *lookup);

#endif
