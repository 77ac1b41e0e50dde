/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of the contract rtpp_abi.h: calls that are shared with other hosts. */
#ifndef RTPP_FLEET_H
#define RTPP_FLEET_H

#include "rtpp_basics.h"

/* Whether they are to be. */
RTPP_API bool rtpp_shares_calls(rtpp_module *module);
/* The process that tells the other hosts: until it is ended. */
RTPP_API void rtpp_run_fleet(rtpp_module *module);
/* A message of the host at `address`, in whatever process it comes to. RTPP_OK: taken, and what is written, `*length`
 * bytes, 0 or more, is the answer. RTPP_BAD_ARGUMENT: refused. RTPP_BUSY: there are too many hosts. RTPP_TOO_SMALL: the
 * answer is longer than `capacity`. */
RTPP_API rtpp_status rtpp_fleet_message(rtpp_module *module, rtpp_bytes address, rtpp_bytes message, uint8_t *output,
        size_t capacity, size_t *length);
/* What has become of a message that was sent with `tag`: `is_answer`, and the answer, or nothing. */
RTPP_API void rtpp_fleet_answer(rtpp_module *module, uint64_t tag, bool is_answer, rtpp_bytes answer);
/* No answer is longer than this. */
#define RTPP_FLEET_SIZE 16384

#endif
