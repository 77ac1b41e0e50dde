/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Everything that differs between Kamailio 5.6 and the newest release, in one place: which headers to include, in an
 * order that all of them accept, and what no header declares. 5.5 is not served: its tm has no t_continue_skip_timer. */
#ifndef RTPP_COMPAT_H
#define RTPP_COMPAT_H

/* The name at the beginning of log lines, and that for kamcmd dbg.set_mod_level. To be set before any of Kamailio's
 * headers. */
#define MOD_NAME "rtpproxy"

#include "core/sr_module.h"

#include "core/action.h"
#include "core/async_task.h"
#include "core/cfg/cfg_struct.h"
#include "core/counters.h"
#include "core/data_lump.h"
#include "core/dprint.h"
#include "core/fix_lumps.h"
#include "core/ip_addr.h"
#include "core/kemi.h"
#include "core/mem/mem.h"
#include "core/mem/shm_mem.h"
#include "core/mod_fix.h"
#include "core/parser/msg_parser.h"
#include "core/parser/parse_content.h"
#include "core/parser/parse_cseq.h"
#include "core/parser/parse_from.h"
#include "core/parser/parse_to.h"
#include "core/pt.h"
#include "core/pvar.h"
#include "core/clist.h"
#include "core/route.h"
#include "core/rpc.h"
#include "core/sip_msg_clone.h"
#include "core/timer.h"

/* Where the core's parser stands, which no header declares (seen in 5.6.3 and 6.0.1): the file, NULL in the one that
 * was given, and the line. */
extern char *finame;
extern int line;

#endif
