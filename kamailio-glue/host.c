/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The services that Kamailio lends to the Swift half: log, clock, variables, transactions. */

#include "glue.h"

#include <signal.h>
#include <unistd.h>

#include "modules/tm/tm_load.h"

static struct tm_binds tm;
static bool tm_is_bound = false;

/* A parameter that names a variable. */
typedef struct named_variable {
	const char *parameter;
	char *name; /* as configured, NULL: not */
	pv_spec_t *spec;
	char place[200]; /* where in the configuration */
} named_variable;

static named_variable extra_id = {.parameter = "extra_id_pv"};
static named_variable timeout_tag = {.parameter = "timeout_tag_pv"};
static named_variable ice_priority = {.parameter = "ice_candidate_priority_avp"};
static named_variable instance = {.parameter = "rtp_inst_pvar"};
static named_variable *const named_variables[] = {&extra_id, &timeout_tag, &ice_priority, &instance};

int glue_host_set_variable(const char *parameter, const char *name)
{
	size_t i;

	for(i = 0; i < sizeof(named_variables) / sizeof(named_variables[0]); i++) {
		named_variable *variable = named_variables[i];

		if(strcmp(variable->parameter, parameter) == 0) {
			variable->name = (name != NULL && *name != '\0') ? (char *)name : NULL;
			snprintf(variable->place, sizeof(variable->place), "%s", (const char *)glue_place().data);
			return 0;
		}
	}
	return -1;
}

static bool type_fits(const named_variable *variable)
{
	if(variable == &ice_priority)
		return variable->spec->type == PVT_AVP;
	if(variable == &instance)
		return variable->spec->type == PVT_AVP || variable->spec->type == PVT_XAVP
			   || variable->spec->type == PVT_SCRIPTVAR;
	return true;
}

static int parse_variable(named_variable *variable)
{
	str name;

	if(variable->name == NULL)
		return 0;
	name.s = variable->name;
	name.len = (int)strlen(variable->name);
	/* pv_cache_get takes the name without anything behind it, pv_locate_name says how long that is. */
	if(name.s[0] == '$' && pv_locate_name(&name) == name.len)
		variable->spec = pv_cache_get(&name);
	if(variable->spec == NULL) {
		glue_journal_fault(
				"parameter %s: \"%s\" is not a variable (%s)", variable->parameter, variable->name, variable->place);
		return -1;
	}
	if(!type_fits(variable)) {
		glue_journal_fault("parameter %s: \"%s\" is not %s (%s)", variable->parameter, variable->name,
				variable == &instance ? "an $avp, $xavp or $var" : "an $avp", variable->place);
		return -1;
	}
	return 0;
}

int glue_host_init(void)
{
	size_t i;
	int result = 0;

	for(i = 0; i < sizeof(named_variables) / sizeof(named_variables[0]); i++) {
		if(parse_variable(named_variables[i]) < 0)
			result = -1;
	}
	return result;
}

bool glue_host_has_timeout_tag(void)
{
	return timeout_tag.spec != NULL;
}

bool glue_host_has_extra_id(void)
{
	return extra_id.spec != NULL;
}

int glue_host_bind_tm(void)
{
	int bound = module_loaded("tm") ? glue_tm_bind(&tm) : 0;

	tm_is_bound = bound > 0;
	return bound < 0 ? -1 : 0;
}

struct tm_binds *glue_tm(void)
{
	return tm_is_bound ? &tm : NULL;
}

static void host_log(rtpp_level level, rtpp_bytes line)
{
	int length = (int)line.length;
	const char *text = (const char *)line.data;

	switch(level) {
		case RTPP_LOG_ERROR:
			LM_ERR("%.*s\n", length, text);
			break;
		case RTPP_LOG_WARNING:
			LM_WARN("%.*s\n", length, text);
			break;
		case RTPP_LOG_NOTICE:
			LM_NOTICE("%.*s\n", length, text);
			break;
		case RTPP_LOG_INFO:
			LM_INFO("%.*s\n", length, text);
			break;
		case RTPP_LOG_DEBUG:
			LM_DBG("%.*s\n", length, text);
			break;
	}
}

static bool host_wants_debug(void)
{
	return is_printable(L_DBG);
}

static uint32_t host_ticks(void)
{
	return get_ticks();
}

static bool host_variable(void *context, rtpp_variable which, rtpp_bytes *value, bool *is_null)
{
	static const char null_text[] = "<null>";
	named_variable *const variables[] = {&extra_id, &timeout_tag, &ice_priority};
	pv_spec_t *spec = variables[which]->spec;
	pv_value_t found;

	if(spec == NULL)
		return false;
	memset(&found, 0, sizeof(found));
	if(pv_get_spec_value((struct sip_msg *)context, spec, &found) != 0)
		return false;
	*is_null = (found.flags & PV_VAL_NULL) != 0;
	if(*is_null) {
		*value = glue_bytes_of_cstring(null_text);
	} else if(found.flags & PV_VAL_STR) {
		*value = glue_bytes_of(&found.rs);
	} else if(found.flags & PV_VAL_INT) {
		static char digits[24];

		snprintf(digits, sizeof(digits), "%ld", (long)found.ri);
		*value = glue_bytes_of_cstring(digits);
	} else {
		*value = glue_bytes_of_cstring("");
	}
	return true;
}

rtpp_bytes glue_chosen;

void glue_message_set_instance(void *context, rtpp_bytes url)
{
	pv_value_t value;

	glue_chosen = url;
	if(instance.spec == NULL)
		return;
	memset(&value, 0, sizeof(value));
	value.rs.s = (char *)url.data;
	value.rs.len = (int)url.length;
	value.flags = PV_VAL_STR;
	if(pv_set_spec_value((struct sip_msg *)context, instance.spec, 0, &value) < 0)
		LM_ERR("parameter rtp_inst_pvar: \"%s\" cannot be set\n", instance.name);
}

struct cell *glue_current_transaction(void)
{
	struct cell *transaction;

	if(!tm_is_bound)
		return NULL;
	transaction = tm.t_gett();
	return (transaction == T_UNDEFINED || transaction == T_NULL_CELL) ? NULL : transaction;
}

static rtpp_transaction host_transaction(void *context)
{
	struct cell *transaction = glue_current_transaction();

	(void)context;
	if(transaction == NULL || transaction->uas.request == NULL)
		return RTPP_TRANSACTION_NONE;
	return (transaction->uas.request->msg_flags & FL_SDP_BODY) ? RTPP_TRANSACTION_OFFERED : RTPP_TRANSACTION_NO_OFFER;
}

/* The To of the transaction's request, NULL: not known. The transaction's own copy is in shared memory: tm has parsed it,
 * and nobody else may. */
static const struct to_body *to_of(const struct cell *transaction)
{
	struct sip_msg *request = transaction != NULL ? transaction->uas.request : NULL;

	return request != NULL && request->to != NULL ? (const struct to_body *)request->to->parsed : NULL;
}

static bool host_is_within_dialog(void *context)
{
	const struct to_body *to = to_of(glue_current_transaction());

	(void)context;
	return to != NULL && to->tag_value.len > 0;
}

static bool host_is_first_answer(void *context)
{
	const struct cell *transaction = glue_current_transaction();
	const struct to_body *to = to_of(transaction);

	(void)context;
	return to != NULL && to->tag_value.len == 0 && is_invite(transaction) && transaction->uas.status < 200;
}

static void host_mark_transaction(void *context)
{
	struct sip_msg *msg = context;
	struct cell *transaction;

	if(!tm_is_bound)
		return;
	/* Before the transaction is made, its request will be a copy of this message. */
	msg->msg_flags |= FL_SDP_BODY;
	transaction = glue_current_transaction();
	if(transaction != NULL && transaction->uas.request != NULL)
		transaction->uas.request->msg_flags |= FL_SDP_BODY;
}

/* The core's signal handlers (log, free, exit) are not safe at any point, so the module's own processes run them at one
 * place only, and note signals elsewhere. Signals are not blocked, because programs that a route of the script starts
 * would inherit that. */
static struct held_signal {
	int number;
	volatile sig_atomic_t has_come;
	struct sigaction core; /* what the core does */
} held_signals[] = {
		{.number = SIGTERM},
		{.number = SIGINT},
		{.number = SIGHUP},
		{.number = SIGUSR1},
};
#define HELD_SIGNALS (sizeof(held_signals) / sizeof(held_signals[0]))

static void note_signal(int number)
{
	size_t i;

	for(i = 0; i < HELD_SIGNALS; i++) {
		if(held_signals[i].number == number)
			held_signals[i].has_come = 1;
	}
}

static void hold_signal(struct held_signal *held)
{
	struct sigaction noting;

	memset(&noting, 0, sizeof(noting));
	noting.sa_handler = note_signal;
	noting.sa_flags = SA_RESTART;
	sigemptyset(&noting.sa_mask);
	sigaction(held->number, &noting, &held->core);
	/* A signal that runs no code of the core may come at any time. */
	if(held->core.sa_handler == SIG_IGN || held->core.sa_handler == SIG_DFL)
		sigaction(held->number, &held->core, NULL);
}

static void take_signals(void)
{
	size_t i;

	for(i = 0; i < HELD_SIGNALS; i++) {
		struct held_signal *held = &held_signals[i];

		if(!held->has_come)
			continue;
		held->has_come = 0;
		sigaction(held->number, &held->core, NULL);
		raise(held->number);
		hold_signal(held);
	}
}

static bool host_is_wanted(void)
{
	/* The parent is the main process, number 1 in a container: once it is gone, nothing else would end this process. */
	static pid_t parent = 0;
	size_t i;

	if(parent == 0) {
		parent = getppid();
		for(i = 0; i < HELD_SIGNALS; i++)
			hold_signal(&held_signals[i]);
	}
	take_signals();
	/* Takes over parameters set while Kamailio runs; SIP workers do this with each message. */
	cfg_update();
	return getppid() == parent;
}

static void *host_allocate(size_t size)
{
	return shm_malloc(size);
}

static void host_release(void *memory)
{
	shm_free(memory);
}

const rtpp_host glue_host_services = {
		.abi_version = RTPP_ABI_VERSION,
		.log = host_log,
		.report = glue_journal_report,
		.wants_debug = host_wants_debug,
		.tuning = glue_tuning,
		.ticks = host_ticks,
		.count = glue_count,
		.variable = host_variable,
		.set_instance = glue_message_set_instance,
		.body_state = glue_message_body_state,
		.apply_edits = glue_message_apply,
		.transaction = host_transaction,
		.is_within_dialog = host_is_within_dialog,
		.is_first_answer = host_is_first_answer,
		.goes_to_websocket = glue_message_goes_to_websocket,
		.mark_transaction = host_mark_transaction,
		.postpone = glue_postpone,
		.take_postponed = glue_take_postponed,
		.is_wanted = host_is_wanted,
		.raise = glue_event_raise,
		.allocate = host_allocate,
		.release = host_release,
		.continuation_size = GLUE_CONTINUATION_SIZE,
		.suspend = glue_suspend,
		.resume = glue_resume,
		.resume_again = glue_resume_again,
		.take_deletion = glue_take_deletion,
		.fleet_broadcast = glue_dmq_broadcast,
		.fleet_send = glue_dmq_send,
};
