/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The module as Kamailio sees it: exports, parameters, life cycle. */

#include "glue.h"

#include "core/globals.h"

MODULE_VERSION

rtpp_module *glue_instance = NULL;

static char *db_url = NULL;
static char usual_table[] = "rtpproxy";
static char *table_name = usual_table;

/* --- parameters --- */

/* Every parameter, in one row: a text or number that the Swift half takes under its name, a variable for host.c, or what
 * the glue keeps itself. */
#define PARAMETERS(TEXT, NUMBER, VARIABLE, OWN)                                    \
	TEXT(rtpproxy_sock)                                                            \
	NUMBER(rtpproxy_disable_tout)                                                  \
	NUMBER(rtpproxy_tout)                                                          \
	NUMBER(rtpproxy_tout_ms)                                                       \
	NUMBER(rtpproxy_retr)                                                          \
	NUMBER(rtpproxy_ping_interval)                                                 \
	TEXT(rtpproxy_balancing)                                                       \
	NUMBER(rtpproxy_call_table_size)                                               \
	NUMBER(rtpproxy_call_lifetime)                                                 \
	NUMBER(rtpproxy_hedging)                                                       \
	NUMBER(rtpproxy_dmq)                                                           \
	NUMBER(rtpproxy_async_processes)                                               \
	NUMBER(rtpproxy_async_max)                                                     \
	TEXT(rtpproxy_async_continue)                                                  \
	NUMBER(rtpproxy_max_streams)                                                   \
	NUMBER(rtpproxy_webrtc_prflx)                                                  \
	NUMBER(rtpproxy_webrtc_silence)                                                \
	TEXT(nortpproxy_str)                                                           \
	TEXT(timeout_socket)                                                           \
	VARIABLE(timeout_tag_pv)                                                       \
	TEXT(rtpproxy_notify_listen)                                                   \
	VARIABLE(ice_candidate_priority_avp)                                           \
	VARIABLE(extra_id_pv)                                                          \
	VARIABLE(rtp_inst_pvar)                                                        \
	NUMBER(rewrite_origin)                                                         \
	OWN(rtpproxy_log_level, PARAM_INT | PARAM_USE_FUNC, glue_tuning_set_log_level) \
	OWN(rtpproxy_journal, PARAM_INT | PARAM_USE_FUNC, glue_journal_set_wish)       \
	OWN(event_callback, PARAM_STRING | PARAM_USE_FUNC, glue_events_set_callback)   \
	OWN(db_url, PARAM_STRING, &db_url)                                             \
	OWN(table_name, PARAM_STRING, &table_name)

/* `kamailio -c` does not start the module, which would log the faults, so they are logged at once there, and the core
 * adds that the value cannot be set; some versions end at the first. A server logs them all together. */
static int taken(rtpp_status status)
{
	return status != RTPP_OK || (config_check && rtpp_report_faults(glue_instance) > 0) ? -1 : 0;
}

#define SET_TEXT(name)                                                                           \
	static int set_##name(modparam_t type, void *value)                                          \
	{                                                                                            \
		(void)type;                                                                              \
		rtpp_set_place(glue_instance, glue_place());                                             \
		return taken(rtpp_set_text(glue_instance, #name, glue_bytes_of_cstring((char *)value))); \
	}
#define SET_NUMBER(name)                                                           \
	static int set_##name(modparam_t type, void *value)                            \
	{                                                                              \
		(void)type;                                                                \
		rtpp_set_place(glue_instance, glue_place());                               \
		return taken(rtpp_set_number(glue_instance, #name, (int64_t)(long)value)); \
	}
#define SET_VARIABLE(name)                                   \
	static int set_##name(modparam_t type, void *value)      \
	{                                                        \
		(void)type;                                          \
		return glue_host_set_variable(#name, (char *)value); \
	}
#define SET_OWN(name, type, place)

PARAMETERS(SET_TEXT, SET_NUMBER, SET_VARIABLE, SET_OWN)

#define EXPORT_OWN(name, type, place) {#name, type, (void *)(place)},
#define EXPORT_TEXT(name) EXPORT_OWN(name, PARAM_STRING | PARAM_USE_FUNC, set_##name)
#define EXPORT_NUMBER(name) EXPORT_OWN(name, PARAM_INT | PARAM_USE_FUNC, set_##name)

static param_export_t parameters[] = {PARAMETERS(EXPORT_TEXT, EXPORT_NUMBER, EXPORT_TEXT, EXPORT_OWN){0, 0, 0}};

/* --- life cycle --- */

/* The block of the shared memory, as Kamailio gave it. */
static char *shared = NULL;

/* Lays the shared memory out, aligned to a cache line. */
static int share(void)
{
	size_t size = rtpp_shared_size(glue_instance);
	char *block = shared = shm_malloc(size + 64);

	if(block == NULL) {
		SHM_MEM_ERROR;
		return -1;
	}
	block += (64 - ((uintptr_t)block & 63)) & 63;
	memset(block, 0, size);
	return rtpp_share(glue_instance, block, size) == RTPP_OK ? 0 : -1;
}

int glue_load_pool(void)
{
	return glue_db_load(db_url, table_name);
}

/* Whether there is a process for notifications. */
static bool listens = false;

static int own_processes(void)
{
	return 1 + (int)rtpp_async_processes(glue_instance) + (listens ? 1 : 0)
		   + (rtpp_shares_calls(glue_instance) ? 1 : 0);
}

static bool has_database(void)
{
	return db_url != NULL && *db_url != '\0';
}

static bool has_read_database = false;

bool glue_knows_sets(void)
{
	return !has_database() || has_read_database;
}

/* Faults of one parameter have been gathered; here is what several make together. */
static int check_together(void)
{
	int result = glue_host_init();

	if(glue_journal_init() < 0)
		result = -1;
	if(glue_tuning_check() < 0)
		result = -1;
	if(glue_events_init() < 0)
		result = -1;
	if(glue_dmq_check() < 0)
		result = -1;
	if(has_database())
		rtpp_set_text(glue_instance, "db_url", glue_bytes_of_cstring(db_url));
	else if(table_name != usual_table)
		LM_WARN("parameter table_name does nothing without db_url\n");
	return result;
}

static int configure(int result)
{
	if(rtpp_configure(glue_instance) != RTPP_OK)
		result = -1;
	if(rtpp_async_in_workers(glue_instance) && !async_task_workers_active()) {
		glue_journal_fault("parameter rtpproxy_async_continue: \"workers\": the core has none, async_workers is 0");
		result = -1;
	}
	return result;
}

int glue_check_parameters(void)
{
	int result = check_together();

	if(has_database() && glue_db_check(db_url) < 0)
		result = -1;
	return configure(result);
}

/* Whether functions may be called out of another language, be it that of all routes or not. */
static bool has_interpreter(void)
{
	const sr_module_t *module;

	for(module = modules; module != NULL; module = module->next) {
		if(strncmp(module->exports.name, "app_", 4) == 0)
			return true;
	}
	return sr_kemi_eng_get() != NULL;
}

void glue_check_uses(bool knows_nodes)
{
	/* A script of KEMI cannot be checked. */
	bool is_open = has_interpreter();
	rtpp_script script = {
			.has_timeout_route = glue_event_has_route(RTPP_EVENT_TIMEOUT),
			.hears_timeouts = glue_event_is_wanted(RTPP_EVENT_TIMEOUT),
			.has_callback = glue_events_have_callback(),
			.has_engine = sr_kemi_eng_get() != NULL,
			.has_timeout_tag = glue_host_has_timeout_tag(),
			.has_extra_id = glue_host_has_extra_id(),
			.knows_flags = glue_knows_flags() && !is_open,
			.chooses_sets = glue_chooses_sets() || is_open,
			.hears_hosts = glue_calls_dmq() || is_open,
	};

	rtpp_check_script(glue_instance, &script, knows_nodes);
}

static int mod_init(void)
{
	int result;

	glue_check_is_over();
	glue_check_expressions();
	glue_dialog_watch_loaded();
	glue_log_version();
	result = check_together();
	if(has_database()) {
		if(glue_load_pool() < 0)
			result = -1;
		has_read_database = result >= 0;
	}
	if(configure(result) < 0)
		return -1;
	if(rtpp_shares_calls(glue_instance) && glue_dmq_init() < 0)
		return -1;
	if(share() < 0 || glue_counters_init() < 0 || glue_postponed_init() < 0 || glue_engage_init() < 0)
		return -1;
	/* What a script of KEMI asks for is known only when it runs. */
	if(sr_kemi_eng_get() != NULL)
		rtpp_figure_index(glue_instance, glue_bytes_of(NULL));
	if(glue_tuning_init() < 0)
		return -1;
	switch(rtpp_listen(glue_instance, uid != 0 ? uid : -1, gid != 0 ? gid : -1)) {
		case RTPP_OK:
			listens = true;
			break;
		case RTPP_NO_VALUE:
			break;
		default:
			return -1;
	}
	if(glue_tm_forwards_copies())
		LM_WARN("in tm a retransmitted 200 skips the reply route, and its media go past RTPProxy: "
				"set modparam(\"tm\", \"reply_matching\", 0)\n");
	register_procs(own_processes());
	cfg_register_child(own_processes());
	return 0;
}

static int start_monitor(void)
{
	/* Where it runs routes of the script, every module is initialised in it. */
	bool has_events = glue_node_events_are_wanted();
	int pid = fork_process(has_events ? PROC_RPC : PROC_NOCHLDINIT, "RTPProxy monitor", 1);

	if(pid < 0) {
		LM_ERR("cannot start the process that watches the RTPProxies\n");
		return -1;
	}
	if(pid > 0)
		return 0;
	if(cfg_child_init() < 0 || (!has_events && rtpp_attach(glue_instance) != RTPP_OK))
		exit(1);
	if(has_events)
		glue_events_ask();
	rtpp_run_monitor(glue_instance);
	exit(0);
}

/* They run routes of the script, so every module is initialised in them as in the core's asynchronous workers. */
static int start_async(void)
{
	size_t i;

	for(i = 0; i < rtpp_async_processes(glue_instance); i++) {
		int pid = fork_process(PROC_RPC, "RTPProxy async", 1);

		if(pid < 0) {
			LM_ERR("cannot start an asynchronous process\n");
			return -1;
		}
		if(pid > 0)
			continue;
		if(cfg_child_init() < 0)
			exit(1);
		rtpp_run_async(glue_instance, i);
		exit(0);
	}
	return 0;
}

static int start_notify(void)
{
	int pid;

	if(!listens)
		return 0;
	pid = fork_process(PROC_RPC, "RTPProxy notify", 1);
	if(pid < 0) {
		LM_ERR("cannot start the process that listens for notifications\n");
		return -1;
	}
	if(pid > 0)
		return 0;
	if(cfg_child_init() < 0)
		exit(1);
	rtpp_run_notify(glue_instance, !glue_host_has_timeout_tag());
	exit(0);
}

/* Sends by tm, so every module is initialised in it. */
static int start_sharing(void)
{
	int pid;

	if(!rtpp_shares_calls(glue_instance))
		return 0;
	pid = fork_process(PROC_RPC, "RTPProxy dmq", 1);
	if(pid < 0) {
		LM_ERR("cannot start the process that shares calls with other hosts\n");
		return -1;
	}
	if(pid > 0)
		return 0;
	if(cfg_child_init() < 0)
		exit(1);
	rtpp_run_fleet(glue_instance);
	exit(0);
}

static int child_init(int rank)
{
	glue_engage_child(rank);
	if(rank == PROC_INIT) {
		if(glue_host_bind_tm() < 0)
			return -1;
		glue_dialog_bind();
		glue_engage_bind();
		/* By now the script is read. */
		glue_check_uses(true);
		return 0;
	}
	if(rank == PROC_MAIN && (start_monitor() < 0 || start_async() < 0 || start_notify() < 0 || start_sharing() < 0))
		return -1;
	return rtpp_attach(glue_instance) == RTPP_OK ? 0 : -1;
}

static void destroy(void)
{
	/* A configuration that cannot be parsed ends here, too. */
	glue_check();
	rtpp_destroy(glue_instance);
	glue_engage_destroy();
	if(shared != NULL)
		shm_free(shared);
	shared = NULL;
	glue_instance = NULL;
}

struct module_exports exports = {
		"rtpproxy",
		DEFAULT_DLFLAGS,
		glue_commands,
		parameters,
		glue_rpc,
		glue_variables,
		0,
		mod_init,
		child_init,
		destroy,
};

int mod_register(char *path, int *dlflags, void *p1, void *p2)
{
	(void)path, (void)dlflags, (void)p1, (void)p2;
	glue_journal_look();
	if(rtpp_create(&glue_host_services, &glue_instance) != RTPP_OK)
		return -1;
	if(sr_kemi_modules_add(glue_kemi_exports) < 0)
		return -1;
	glue_check_at_exit();
	glue_dialog_watch_loaded();
	glue_dmq_look();
	return 0;
}
