/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `kamailio -c` says of this module: it reads the configuration, starts no module, and ends.
 *
 * So all that parameters and routes can be asked without network, database and time is asked when the process ends.
 * At start the same is asked by mod_init and by the core, which then prepares each function of the script. */

#include "glue.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/cfg_parser.h"
#include "core/globals.h"
#include "core/rvalue.h"
#include "core/switch.h"

static size_t mistakes = 0;
/* Looks only for what the core does not prepare before a message comes. */
static bool is_start = false;

/* Whether the script hands the module dmq its messages. */
static bool calls_dmq = false;

static void look_at_actions(struct action *action);

/* --- the script --- */

static const cmd_export_t *find_own(const ksr_cmd_export_t *command)
{
	const cmd_export_t *own;

	for(own = glue_commands; own->name != NULL; own++) {
		if(own->param_no == command->param_no && strcmp(own->name, command->name) == 0
				&& own->function == command->function)
			return own;
	}
	return NULL;
}

/* Prepares a copy of a parameter as the core would. The copy is not freed, because this process ends. */
static bool is_taken(const cmd_export_t *own, const str *text, int param_no)
{
	char *copy = pkg_malloc(text->len + 1);
	void *param = copy;

	if(copy == NULL)
		return true;
	memcpy(copy, text->s, text->len);
	copy[text->len] = '\0';
	return own->fixup(&param, param_no) >= 0;
}

/* Whether only a message gives a parameter its text. */
static bool is_expression(const action_u_t *param)
{
	return param->type == RVE_ST && !rve_is_constant((struct rval_expr *)param->u.data);
}

/* The text of a parameter: a text, or an expression of constants that the core has not evaluated yet. */
static bool has_text(const action_u_t *param, str *text)
{
	struct rval_expr *expression = (struct rval_expr *)param->u.data;
	struct rvalue *value;

	if(param->type == STRING_ST || param->type == STRING_RVE_ST) {
		text->s = param->u.string;
		text->len = text->s != NULL ? (int)strlen(text->s) : 0;
		return text->s != NULL;
	}
	if(param->type != RVE_ST || !rve_is_constant(expression))
		return false;
	value = rval_expr_eval(NULL, NULL, expression);
	return value != NULL && rval_get_str(NULL, NULL, text, value, NULL) == 0;
}

static void look_at_call(const struct action *action)
{
	const ksr_cmd_export_t *command = (const ksr_cmd_export_t *)action->val[0].u.data;
	const cmd_export_t *own = find_own(command);
	bool is_right = true;
	int i;

	if(strcmp(command->name, "dmq_handle_message") == 0 || strcmp(command->name, "dmq_process_message") == 0)
		calls_dmq = true;
	if(own == NULL || own->fixup == NULL)
		return;
	if(own->param_no == 0 && !is_start)
		is_right = own->fixup(NULL, 0) >= 0;
	for(i = 1; i <= own->param_no && i + 1 < MAX_ACTIONS; i++) {
		str text;

		if(is_expression(&action->val[i + 1]))
			glue_flags_are_unknown();
		if(!is_start && has_text(&action->val[i + 1], &text))
			is_right = is_taken(own, &text, i) && is_right;
	}
	if(is_right)
		return;
	mistakes++;
	LM_ERR("%s() in route %s cannot have these parameters (%s:%d)\n", own->name,
			action->rname != NULL ? action->rname : "", action->cfile != NULL ? action->cfile : "", action->cline);
}

static void look_at_condition(const struct expr *condition)
{
	if(condition == NULL)
		return;
	if(condition->type == EXP_T) {
		look_at_condition(condition->l.expr);
		if(condition->op != NOT_OP)
			look_at_condition(condition->r.expr);
	} else if(condition->l_type == ACTION_O) {
		look_at_actions((struct action *)condition->l.param);
	}
}

static void look_at_value(const struct rvalue *value)
{
	if(value->type == RV_ACTION_ST)
		look_at_actions(value->v.action);
	else if(value->type == RV_BEXPR)
		look_at_condition(value->v.bexpr);
}

static void look_at_expression(const struct rval_expr *expression)
{
	if(expression == NULL)
		return;
	switch(expression->op) {
		case RVE_NONE_OP:
			break;
		case RVE_RVAL_OP:
			look_at_value(&expression->left.rval);
			break;
		case RVE_UMINUS_OP:
		case RVE_BOOL_OP:
		case RVE_LNOT_OP:
		case RVE_BNOT_OP:
		case RVE_STRLEN_OP:
		case RVE_STREMPTY_OP:
		case RVE_DEFINED_OP:
		case RVE_NOTDEFINED_OP:
			look_at_expression(expression->left.rve);
			break;
		default:
			look_at_expression(expression->left.rve);
			/* Those behind have one member, under names that differ between versions. */
			if(expression->op < RVE_DEFINED_OP)
				look_at_expression(expression->right.rve);
	}
}

static void look_at_cases(const struct case_stms *branch)
{
	for(; branch != NULL; branch = branch->next)
		look_at_actions(branch->actions);
}

static void look_at_part(const struct action *action, const action_u_t *part)
{
	switch(part->type) {
		case ACTIONS_ST:
		case ACTION_ST:
		case BLOCK_ST:
			look_at_actions((struct action *)part->u.data);
			break;
		case RVE_ST:
			look_at_expression((const struct rval_expr *)part->u.data);
			break;
		case EXPR_ST:
			look_at_condition((const struct expr *)part->u.data);
			break;
		case CASE_ST:
			if(action->type == SWITCH_T)
				look_at_cases((const struct case_stms *)part->u.data);
			break;
		default:
			break;
	}
}

static void look_at_actions(struct action *action)
{
	int i;

	for(; action != NULL; action = action->next) {
		if(is_mod_func(action) && action->val[0].type == MODEXP_ST && action->val[0].u.data != NULL)
			look_at_call(action);
		for(i = 0; i < action->count && i < MAX_ACTIONS; i++)
			look_at_part(action, &action->val[i]);
	}
}

static void look_at_routes(const struct route_list *routes)
{
	int i;

	for(i = 0; i < routes->idx && i < routes->entries; i++)
		look_at_actions(routes->rlist[i]);
}

static void look_at_script(void)
{
	const struct route_list *const lists[] = {&main_rt, &onreply_rt, &failure_rt, &branch_rt, &onsend_rt, &event_rt};
	size_t i;

	for(i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		look_at_routes(lists[i]);
}

void glue_check_expressions(void)
{
	is_start = true;
	look_at_script();
}

bool glue_calls_dmq(void)
{
	return calls_dmq;
}

/* --- the end of the process --- */

/* Whether the module is to be started, which then shows what is wrong. */
static bool is_over = false;

void glue_check_is_over(void)
{
	is_over = true;
}

void glue_check(void)
{
	if(is_over || !config_check || glue_instance == NULL)
		return;
	is_over = true;
	/* The core has named a mistake and left something out: mistakes that follow from this are not reported. */
	if(cfg_errors > 0)
		return;
	if(glue_check_parameters() < 0)
		mistakes++;
	look_at_script();
	glue_check_uses(glue_knows_sets());
	if(mistakes == 0)
		return;
	LM_ERR("this configuration does not start: the lines above name the faults in parameters and functions of "
		   "rtpproxy\n");
	/* The core has found no fault, and exit() has begun: only _exit() can still set the status. */
	fflush(NULL);
	_exit(255);
}

void glue_check_at_exit(void)
{
	if(config_check && atexit(glue_check) != 0)
		LM_WARN("out of memory: -c does not check the functions of the script\n");
}

rtpp_bytes glue_place(void)
{
	static char text[512];

	snprintf(text, sizeof(text), "%s:%d", finame != NULL ? finame : (cfg_file != NULL ? cfg_file : ""), line);
	return glue_bytes_of_cstring(text);
}
