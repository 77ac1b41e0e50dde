/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The contract between the C glue inside Kamailio and the Swift half of the module.
 *
 * Direction: functions `rtpp_*` are called by the glue; the function pointers of `rtpp_host` are called by Swift.
 * Ownership: every `rtpp_bytes` is borrowed for the call it is passed to, in both directions. Nothing that one
 *   side allocates is freed by the other. Results are written into memory that the caller supplies.
 * Processes: `rtpp_create` to `rtpp_share` run in the main process before it forks; everything after `rtpp_attach`
 *   belongs to the process that attached.
 * Failure: no entry point traps, blocks longer than the configured budget, or leaves a message half changed.
 */
#ifndef RTPP_ABI_H
#define RTPP_ABI_H

#include "rtpp_basics.h"
#include "rtpp_calls.h"
#include "rtpp_events.h"
#include "rtpp_fleet.h"
#include "rtpp_host.h"
#include "rtpp_message.h"
#include "rtpp_rpc.h"

#define RTPP_ABI_VERSION 4u

/* The version this library was built with. */
RTPP_API uint32_t rtpp_abi_version(void);

/* --- life cycle, in this order --- */

/* Makes the module with every parameter at its default. `host` is copied. */
RTPP_API rtpp_status rtpp_create(const rtpp_host *host, rtpp_module **module);
/* One modparam line. Faults are kept and reported by rtpp_configure, all in one go. */
RTPP_API rtpp_status rtpp_set_text(rtpp_module *module, const char *parameter, rtpp_bytes value);
RTPP_API rtpp_status rtpp_set_number(rtpp_module *module, const char *parameter, int64_t value);
/* Where the parameters that follow stand in the configuration, for the lines of their faults; absent: not known. */
RTPP_API rtpp_status rtpp_set_place(rtpp_module *module, rtpp_bytes place);
/* Logs the faults that have not been logged, and says how many. */
RTPP_API size_t rtpp_report_faults(rtpp_module *module);
/* The kind of report that a fault of the configuration is, of those that the host finds. The text stays. */
RTPP_API rtpp_bytes rtpp_fault_id(void);
/* Says that a set is named in the script; one that is not configured is a fault of rtpp_configure's kind. */
RTPP_API rtpp_status rtpp_check_set(rtpp_module *module, int64_t set_id);
/* One row of the database, in order. RTPP_BAD_ARGUMENT: logged and left out. */
RTPP_API rtpp_status rtpp_add_row(
        rtpp_module *module, size_t row, rtpp_bytes set_id, rtpp_bytes url, const int64_t *weight, const int64_t *flags);
/* Checks everything. */
RTPP_API rtpp_status rtpp_configure(rtpp_module *module);
/* What the configuration says of the parameters that can be changed later. Behind rtpp_configure. */
RTPP_API void rtpp_configured_tuning(rtpp_module *module, rtpp_tuning *tuning);

/* The script functions that take flags. */
typedef enum RTPP_CLOSED rtpp_function {
    RTPP_FUNCTION_OFFER = 0,
    RTPP_FUNCTION_ANSWER = 1,
    RTPP_FUNCTION_MANAGE = 2,
    RTPP_FUNCTION_DELETE = 3,
    RTPP_FUNCTION_ENGAGE = 4
} rtpp_function;

/* Flags and ip_address that the script writes out, for the function called `name`. RTPP_BAD_CONFIGURATION: logged, the
 * function would fail with each message. What does nothing is logged as a warning. */
RTPP_API rtpp_status rtpp_check_flags(
        rtpp_module *module, rtpp_function function, const char *name, rtpp_bytes flags, bool has_extra_id);
RTPP_API rtpp_status rtpp_check_address(rtpp_module *module, const char *name, rtpp_bytes address);

/* What the script has and asks for. */
typedef struct rtpp_script {
    bool has_timeout_route; /* it has an event route for RTPP_EVENT_TIMEOUT */
    bool hears_timeouts;    /* that, or a function that hears of all events */
    bool has_callback;      /* event_callback is set */
    bool has_engine;        /* it is one of KEMI */
    bool has_timeout_tag;   /* timeout_tag_pv is set */
    bool has_extra_id;      /* extra_id_pv is set */
    bool knows_flags;       /* it writes out all its flags: rtpp_check_flags has had them */
    bool chooses_sets;      /* it selects sets itself, or may: it cannot be checked */
    bool hears_hosts;       /* it hands the messages of other hosts to dmq, or may */
} rtpp_script;

/* Warns of what is configured and does nothing. `knows_nodes`: the sets have been read. */
RTPP_API void rtpp_check_script(rtpp_module *module, const rtpp_script *script, bool knows_nodes);
/* Bytes of shared memory that the configuration needs. */
RTPP_API size_t rtpp_shared_size(rtpp_module *module);
/* Lays the shared memory out: zeroed, aligned to 64. Once, before the fork. */
RTPP_API rtpp_status rtpp_share(rtpp_module *module, void *block, size_t size);
/* In each process, before any call below. Opens nothing. */
RTPP_API rtpp_status rtpp_attach(rtpp_module *module);
/* Closes what this process opened and frees the module. */
RTPP_API void rtpp_destroy(rtpp_module *module);

/* How many asynchronous processes there are to be, and whether routes go on in workers of the host's instead. */
RTPP_API size_t rtpp_async_processes(rtpp_module *module);
RTPP_API bool rtpp_async_in_workers(rtpp_module *module);
/* Asynchronous process number `process`, from 0: drives what is handed over until the process is ended. */
RTPP_API void rtpp_run_async(rtpp_module *module, size_t process);

/* The module's own process: probes until the process is ended. */
RTPP_API void rtpp_run_monitor(rtpp_module *module);

/* Opens the socket for notifications, once the configuration is checked and before the fork. `user` and `group` get a
 * socket file, -1: as it is. RTPP_NO_VALUE: none is configured. RTPP_BAD_CONFIGURATION: logged. */
RTPP_API rtpp_status rtpp_listen(rtpp_module *module, int32_t user, int32_t group);
/* The script asks which stream a notification is about: each is told then, not each call. Before the fork, or in the
 * process that listens. */
RTPP_API void rtpp_tell_streams(rtpp_module *module);
/* The module's process that listens: raises RTPP_EVENT_TIMEOUT until the process is ended. `tag_is_call_id`: offers
 * give no tags of their own. */
RTPP_API void rtpp_run_notify(rtpp_module *module, bool tag_is_call_id);

#endif
