/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prepares the parameters of script functions when the configuration is read, and refuses wrong ones.
 *
 * A parameter with a variable is known, and may be refused, only when a message comes. */

#include "glue.h"

#include "core/globals.h"

static bool chooses_sets = false;
static bool knows_flags = true;

bool glue_chooses_sets(void)
{
	return chooses_sets;
}

bool glue_knows_flags(void)
{
	return knows_flags;
}

void glue_flags_are_unknown(void)
{
	knows_flags = false;
}

int glue_fixup_set(void **param, int param_no)
{
	char *text = (char *)*param;
	str name = {text, (int)strlen(text)};
	fparam_t *fixed;

	(void)param_no;
	chooses_sets = true;
	/* Nothing may stand behind the variable. */
	if((*text == '$' && pv_locate_name(&name) != name.len) || fix_param_types(FPARAM_INT | FPARAM_PVS, param) != 0) {
		LM_ERR("set_rtp_proxy_set: \"%s\" is neither a number nor a variable\n", text);
		return E_CFG;
	}
	fixed = (fparam_t *)*param;
	if(fixed->type == FPARAM_INT && glue_knows_sets() && rtpp_check_set(glue_instance, fixed->v.i) != RTPP_OK)
		return E_CFG;
	return 0;
}

/* The prompt as a format, the count as the number itself: what mohqueue passes, too. */
int glue_fixup_prompt(void **param, int param_no)
{
	char *text = (char *)*param;

	if(param_no == 1) {
		str format = {text, (int)strlen(text)};
		pv_elem_t *model = NULL;

		if(pv_parse_format(&format, &model) < 0) {
			LM_ERR("prompt: \"%s\" cannot be parsed\n", text);
			return E_CFG;
		}
		*param = model;
	} else {
		char *end = NULL;
		long count = strtol(text, &end, 10);

		if(end == text || *end != '\0' || count < -1 || count > INT32_MAX) {
			LM_ERR("prompt count: \"%s\" is not a number of -1 or more\n", text);
			return E_CFG;
		}
		*param = (void *)count;
	}
	return 0;
}

/* Whether a parameter is written out. Once the server runs, a parameter is the value of an expression. */
static bool is_written_out(const char *text)
{
	return !fixup_complete && strchr(text, '$') == NULL;
}

static int fix_flags(void **param, rtpp_function function, const char *name)
{
	char *text = (char *)*param;

	if(!is_written_out(text))
		glue_flags_are_unknown();
	else if(rtpp_check_flags(glue_instance, function, name, glue_bytes_of_cstring(text), glue_host_has_extra_id())
			!= RTPP_OK)
		return E_CFG;
	return fixup_spve_null(param, 1);
}

static int fix_address(void **param, const char *name)
{
	char *text = (char *)*param;

	if(is_written_out(text) && rtpp_check_address(glue_instance, name, glue_bytes_of_cstring(text)) != RTPP_OK)
		return E_CFG;
	return fixup_spve_null(param, 1);
}

static bool has_async_processes(void)
{
	if(rtpp_async_processes(glue_instance) > 0)
		return true;
	LM_ERR("asynchronous functions need rtpproxy_async_processes to be 1 or more\n");
	return false;
}

/* The name of the route to go on in; a route whose name is written out has to exist when the server starts. */
static int fix_route(void **param, const char *name)
{
	char *text = (char *)*param;

	if(!has_async_processes())
		return E_CFG;
	if(!module_loaded("tm")) {
		LM_ERR("%s: the module tm is not loaded, nothing can wait without it\n", name);
		return E_CFG;
	}
	if(is_written_out(text)) {
		int route = route_lookup(&main_rt, text);

		if(route < 0 || main_rt.rlist[route] == NULL) {
			LM_ERR("%s: there is no route[%s] to go on in\n", name, text);
			return E_CFG;
		}
	}
	return fixup_spve_null(param, 1);
}

#define MEDIA_FIXUPS(name, function)                                                                                  \
	int glue_fixup_##name(void **param, int param_no)                                                                 \
	{                                                                                                                 \
		return param_no == 1 ? fix_flags(param, function, "rtpproxy_" #name) : fix_address(param, "rtpproxy_" #name); \
	}                                                                                                                 \
	int glue_fixup_##name##_async(void **param, int param_no)                                                         \
	{                                                                                                                 \
		if(param_no == 1)                                                                                             \
			return fix_route(param, "rtpproxy_" #name "_async");                                                      \
		return param_no == 2 ? fix_flags(param, function, "rtpproxy_" #name "_async")                                 \
							 : fix_address(param, "rtpproxy_" #name "_async");                                        \
	}

MEDIA_FIXUPS(offer, RTPP_FUNCTION_OFFER)
MEDIA_FIXUPS(answer, RTPP_FUNCTION_ANSWER)
MEDIA_FIXUPS(manage, RTPP_FUNCTION_MANAGE)

/* Whether what rtpproxy_engage stands on is there. */
static bool has_dialogs(const char *name)
{
	static const char *const modules[] = {"tm", "dialog"};
	size_t i;

	glue_engage_use();
	for(i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		if(!module_loaded((char *)modules[i])) {
			LM_ERR("%s: the module %s is not loaded, nothing tells of a dialog's messages without it\n", name,
					modules[i]);
			return false;
		}
	}
	return true;
}

/* The core asks for a function without parameters, too. */
int glue_fixup_engage(void **param, int param_no)
{
	static const char name[] = "rtpproxy_engage";

	if(!has_dialogs(name))
		return E_CFG;
	if(param == NULL || param_no == 0)
		return 0;
	return param_no == 1 ? fix_flags(param, RTPP_FUNCTION_ENGAGE, name) : fix_address(param, name);
}

int glue_fixup_engage_async(void **param, int param_no)
{
	static const char name[] = "rtpproxy_engage_async";

	if(!has_dialogs(name))
		return E_CFG;
	if(param_no == 1)
		return fix_route(param, name);
	return param_no == 2 ? fix_flags(param, RTPP_FUNCTION_ENGAGE, name) : fix_address(param, name);
}

int glue_fixup_disengage(void **param, int param_no)
{
	(void)param, (void)param_no;
	return has_dialogs("rtpproxy_disengage") ? 0 : E_CFG;
}

int glue_fixup_destroy(void **param, int param_no)
{
	(void)param_no;
	return fix_flags(param, RTPP_FUNCTION_DELETE, "rtpproxy_destroy");
}

int glue_fixup_destroy_async(void **param, int param_no)
{
	(void)param_no;
	/* The core asks for a function without parameters, too. */
	if(!has_async_processes())
		return E_CFG;
	return param != NULL ? fix_flags(param, RTPP_FUNCTION_DELETE, "rtpproxy_destroy_async") : 0;
}
