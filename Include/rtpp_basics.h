/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of the contract rtpp_abi.h: what all parts of it use. */
#ifndef RTPP_BASICS_H
#define RTPP_BASICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Tells Swift that an enum has no values but those listed; the C glue passes no others. */
#ifdef __clang__
#define RTPP_CLOSED __attribute__((enum_extensibility(closed)))
#else
#define RTPP_CLOSED
#endif

/* A run of bytes, not terminated. `data` NULL: absent. */
typedef struct rtpp_bytes {
    const uint8_t *data;
    size_t length;
} rtpp_bytes;

/* What an entry point of the life cycle or of RPC says. */
typedef enum RTPP_CLOSED rtpp_status {
    RTPP_OK = 0,
    RTPP_BAD_CONFIGURATION = 1, /* logged, each fault with parameter and text */
    RTPP_BAD_ARGUMENT = 2,      /* a NULL or a length that cannot be; nothing was done */
    RTPP_BAD_VERSION = 3,       /* the other side speaks another version of this contract */
    RTPP_BAD_SHARED_MEMORY = 4, /* the block is too small, or not one that this build laid out */
    RTPP_NOT_FOUND = 5,         /* no such node */
    RTPP_NO_MEMORY = 6,
    RTPP_TOO_SMALL = 7,         /* the output does not fit; `needed` says how much does */
    RTPP_NO_VALUE = 8,          /* nothing to give; a variable is $null */
    RTPP_BUSY = 9               /* another process is doing this */
} rtpp_status;

/* What a script function returns: 1 done, -1 error, -2 marked or already rewritten, -3 no RTPProxy. 0, of the
 * asynchronous ones alone: the transaction waits, and this run of the script is over. */
typedef int32_t rtpp_code;

typedef enum RTPP_CLOSED rtpp_level {
    RTPP_LOG_ERROR = 0,
    RTPP_LOG_WARNING = 1,
    RTPP_LOG_NOTICE = 2,
    RTPP_LOG_INFO = 3,
    RTPP_LOG_DEBUG = 4
} rtpp_level;

typedef struct rtpp_module rtpp_module; /* one per process image, made before the fork */

#define RTPP_API __attribute__((visibility("default")))

#endif
