/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Functions of a script of KEMI, which are named by a text and may not be there.
 *
 * An engine reports nothing when it runs a function that does not exist (seen with app_jsdt and app_lua of 5.6.3), and
 * an event or a waiting transaction would be lost unnoticed. So the script itself is asked, once for each name that it
 * has and for each process, in those languages whose module can. Only what the log says depends on it: the engine is
 * told to run the function in any case, and reads a script anew that was changed. */

#include "glue.h"

/* A module that runs a text of its language, and the text that fails where a function is not there. */
static const struct asking {
	const char *engine;
	char *function;
	const char *text;
} askings[] = {
		{"jsdt", "jsdt_runstring", "if (typeof %s !== 'function') throw 'there is no function %s';"},
		{"lua", "lua_runstring", "if type(%s) ~= 'function' then error('there is no function %s') end"},
};

/* Names that are there. */
#define NAMES 16
static char names[NAMES][128];
static size_t next = 0;

static bool is_known(const str *function)
{
	size_t i;

	for(i = 0; i < NAMES; i++) {
		if(strlen(names[i]) == (size_t)function->len && memcmp(names[i], function->s, function->len) == 0)
			return true;
	}
	return false;
}

/* Whether the name can stand in such a text. A name with other letters, which some languages allow, is not asked for.
 * */
static bool is_plain(const str *function)
{
	int i;

	for(i = 0; i < function->len; i++) {
		char c = function->s[i];

		if(!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (i > 0 && c >= '0' && c <= '9')))
			return false;
	}
	return function->len < (int)sizeof(names[0]);
}

bool glue_kemi_has(sip_msg_t *msg, const str *function)
{
	const sr_kemi_eng_t *engine = sr_kemi_eng_get();
	size_t i;

	if(engine == NULL || function->len <= 0)
		return false;
	if(!is_plain(function) || is_known(function))
		return true;
	for(i = 0; i < sizeof(askings) / sizeof(askings[0]); i++) {
		cmd_function run;
		fparam_t param;
		char text[512];

		if(engine->ename.len != (int)strlen(askings[i].engine)
				|| memcmp(engine->ename.s, askings[i].engine, engine->ename.len) != 0)
			continue;
		run = find_export(askings[i].function, 1, 0);
		if(run == NULL)
			break;
		memset(&param, 0, sizeof(param));
		param.type = FPARAM_STR;
		param.v.str.s = text;
		param.v.str.len = snprintf(text, sizeof(text), askings[i].text, function->s, function->s);
		param.orig = text;
		if(run(msg, (char *)&param, NULL) < 0)
			return false;
		break;
	}
	memcpy(names[next], function->s, function->len);
	names[next][function->len] = '\0';
	next = (next + 1) % NAMES;
	return true;
}

void glue_kemi_run(sip_msg_t *msg, int route_type, str *function, str *event, const char *purpose)
{
	sr_kemi_eng_t *engine = sr_kemi_eng_get();

	if(engine == NULL || sr_kemi_route(engine, msg, route_type, function, event) < 0 || !glue_kemi_has(msg, function))
		LM_ERR("%s: the function \"%.*s\" cannot be run\n", purpose, function->len, function->s);
}
