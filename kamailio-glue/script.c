/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Script functions: w_* unpack Kamailio's parameters, ki_* are the same functions for KEMI. */

#include "glue.h"

/* --- parameters --- */

/* The text of a parameter; absent where it is not given. 0, or -1 where it cannot be evaluated. */
static int text_of(struct sip_msg *msg, char *param, rtpp_bytes *out)
{
	str value = {NULL, 0};

	*out = glue_bytes_of(NULL);
	if(param == NULL)
		return 0;
	if(get_str_fparam(&value, msg, (fparam_t *)param) < 0) {
		LM_ERR("cannot evaluate the parameter \"%s\"\n", ((fparam_t *)param)->orig);
		return -1;
	}
	if(value.s == NULL) {
		value.s = "";
		value.len = 0;
	}
	*out = glue_bytes_of(&value);
	return 0;
}

/* The index of a route by its name; -1, and a line in the log, where there is none. */
static int route_of(rtpp_bytes name)
{
	char text[128];
	int route = -1;
	size_t i;

	if(name.length > 0 && name.length < sizeof(text)) {
		memcpy(text, name.data, name.length);
		text[name.length] = '\0';
		route = route_lookup(&main_rt, text);
	}
	if(route >= 0 && main_rt.rlist[route] != NULL)
		return route;
	if(name.length == 0 || name.length >= sizeof(text)) {
		LM_ERR("the name of the route to go on in must be 1 to %zu bytes, not %zu\n", sizeof(text) - 1, name.length);
		return -1;
	}
	/* The name may come from a message: only printable bytes are logged. */
	for(i = 0; i < name.length; i++) {
		if(text[i] < ' ' || text[i] > '~')
			text[i] = '?';
	}
	LM_ERR("there is no route[%s] to go on in\n", text);
	return -1;
}

/* --- offer, answer, manage, destroy --- */

typedef rtpp_code (*media_function)(rtpp_module *, const rtpp_message *, rtpp_bytes flags, rtpp_bytes address);

/* `target`: where an asynchronous function goes on, else NULL. */
static int media(struct sip_msg *msg, char *flags, char *address, media_function function, const glue_target *target)
{
	rtpp_message message;
	rtpp_bytes flags_text, address_text;

	if(text_of(msg, flags, &flags_text) < 0 || text_of(msg, address, &address_text) < 0)
		return -1;
	if(glue_is_taken_care_of(msg))
		return -2;
	glue_message_init(&message, msg);
	message.target = target;
	return function(glue_instance, &message, flags_text, address_text);
}

static int ki_media(
		struct sip_msg *msg, const str *flags, const str *address, media_function function, const glue_target *target)
{
	rtpp_message message;

	if(glue_is_taken_care_of(msg))
		return -2;
	glue_message_init(&message, msg);
	message.target = target;
	return function(glue_instance, &message, glue_bytes_of(flags), glue_bytes_of(address));
}

/* A function without parameters is called by other modules with a made-up fparam_t of flags: w_* takes it. */
#define MEDIA_FUNCTION(name)                                                 \
	static int w_##name(struct sip_msg *msg, char *flags, char *address)     \
	{                                                                        \
		return media(msg, flags, address, rtpp_##name, NULL);                \
	}                                                                        \
	static int ki_##name##0(struct sip_msg * msg)                            \
	{                                                                        \
		return ki_media(msg, NULL, NULL, rtpp_##name, NULL);                 \
	}                                                                        \
	static int ki_##name(struct sip_msg *msg, str *flags)                    \
	{                                                                        \
		return ki_media(msg, flags, NULL, rtpp_##name, NULL);                \
	}                                                                        \
	static int ki_##name##_ip(struct sip_msg *msg, str *flags, str *address) \
	{                                                                        \
		return ki_media(msg, flags, address, rtpp_##name, NULL);             \
	}

MEDIA_FUNCTION(offer)
MEDIA_FUNCTION(answer)
MEDIA_FUNCTION(manage)

static int media_async(struct sip_msg *msg, char *route, char *flags, char *address, media_function function)
{
	rtpp_bytes name;
	glue_target target = {-1, NULL};

	if(text_of(msg, route, &name) < 0 || (target.route = route_of(name)) < 0)
		return -1;
	return media(msg, flags, address, function, &target);
}

static int ki_media_async(
		struct sip_msg *msg, const str *callback, const str *flags, const str *address, media_function function)
{
	glue_target target = {-1, callback};

	return ki_media(msg, flags, address, function, &target);
}

#define ASYNC_FUNCTION(name)                                                                      \
	static int w_##name##_async(struct sip_msg *msg, char *route, char *flags, char *address)     \
	{                                                                                             \
		return media_async(msg, route, flags, address, rtpp_##name##_async);                      \
	}                                                                                             \
	static int w_##name##_async1(struct sip_msg *msg, char *route, char *unused)                  \
	{                                                                                             \
		(void)unused;                                                                             \
		return media_async(msg, route, NULL, NULL, rtpp_##name##_async);                          \
	}                                                                                             \
	static int w_##name##_async2(struct sip_msg *msg, char *route, char *flags)                   \
	{                                                                                             \
		return media_async(msg, route, flags, NULL, rtpp_##name##_async);                         \
	}                                                                                             \
	static int ki_##name##_async0(struct sip_msg *msg, str *callback)                             \
	{                                                                                             \
		return ki_media_async(msg, callback, NULL, NULL, rtpp_##name##_async);                    \
	}                                                                                             \
	static int ki_##name##_async(struct sip_msg *msg, str *callback, str *flags)                  \
	{                                                                                             \
		return ki_media_async(msg, callback, flags, NULL, rtpp_##name##_async);                   \
	}                                                                                             \
	static int ki_##name##_async_ip(struct sip_msg *msg, str *callback, str *flags, str *address) \
	{                                                                                             \
		return ki_media_async(msg, callback, flags, address, rtpp_##name##_async);                \
	}

ASYNC_FUNCTION(offer)
ASYNC_FUNCTION(answer)
ASYNC_FUNCTION(manage)

typedef rtpp_code (*delete_function)(rtpp_module *, const rtpp_message *, rtpp_bytes flags);

/* In an event route of the module `dialog`, the call is the dialog's. */
static int delete_call(struct sip_msg *msg, rtpp_bytes flags, delete_function function)
{
	rtpp_message message;
	struct dlg_cell *dialog;
	int code;

	if(glue_is_taken_care_of(msg))
		return -2;
	glue_message_init(&message, msg);
	dialog = glue_dialog_lend(&message);
	code = function(glue_instance, &message, flags);
	glue_dialog_return(dialog);
	return code;
}

#define DELETE_FUNCTION(name, function)                                 \
	static int w_##name(struct sip_msg *msg, char *flags, char *unused) \
	{                                                                   \
		rtpp_bytes text;                                                \
		(void)unused;                                                   \
		if(text_of(msg, flags, &text) < 0)                              \
			return -1;                                                  \
		return delete_call(msg, text, function);                        \
	}                                                                   \
	static int ki_##name(struct sip_msg *msg, str *flags)               \
	{                                                                   \
		return delete_call(msg, glue_bytes_of(flags), function);        \
	}                                                                   \
	static int ki_##name##0(struct sip_msg * msg)                       \
	{                                                                   \
		return ki_##name(msg, NULL);                                    \
	}

DELETE_FUNCTION(destroy, rtpp_delete)
DELETE_FUNCTION(destroy_async, rtpp_delete_async)

/* --- dialogs --- */

static int w_engage(struct sip_msg *msg, char *flags, char *address)
{
	rtpp_bytes flags_text, address_text;

	if(text_of(msg, flags, &flags_text) < 0 || text_of(msg, address, &address_text) < 0)
		return -1;
	return glue_engage(msg, flags_text, address_text, NULL);
}

static int ki_engage_ip(struct sip_msg *msg, str *flags, str *address)
{
	return glue_engage(msg, glue_bytes_of(flags), glue_bytes_of(address), NULL);
}

static int ki_engage(struct sip_msg *msg, str *flags)
{
	return ki_engage_ip(msg, flags, NULL);
}

static int ki_engage0(struct sip_msg *msg)
{
	return ki_engage_ip(msg, NULL, NULL);
}

static int w_engage_async(struct sip_msg *msg, char *route, char *flags, char *address)
{
	rtpp_bytes name, flags_text, address_text;
	glue_target target = {-1, NULL};

	if(text_of(msg, route, &name) < 0 || (target.route = route_of(name)) < 0)
		return -1;
	if(text_of(msg, flags, &flags_text) < 0 || text_of(msg, address, &address_text) < 0)
		return -1;
	return glue_engage(msg, flags_text, address_text, &target);
}

static int w_engage_async1(struct sip_msg *msg, char *route, char *unused)
{
	(void)unused;
	return w_engage_async(msg, route, NULL, NULL);
}

static int w_engage_async2(struct sip_msg *msg, char *route, char *flags)
{
	return w_engage_async(msg, route, flags, NULL);
}

static int ki_engage_async_ip(struct sip_msg *msg, str *callback, str *flags, str *address)
{
	glue_target target = {-1, callback};

	return glue_engage(msg, glue_bytes_of(flags), glue_bytes_of(address), &target);
}

static int ki_engage_async(struct sip_msg *msg, str *callback, str *flags)
{
	return ki_engage_async_ip(msg, callback, flags, NULL);
}

static int ki_engage_async0(struct sip_msg *msg, str *callback)
{
	return ki_engage_async_ip(msg, callback, NULL, NULL);
}

static int ki_disengage(struct sip_msg *msg)
{
	return glue_disengage(msg);
}

static int w_disengage(struct sip_msg *msg, char *unused1, char *unused2)
{
	(void)unused1, (void)unused2;
	return glue_disengage(msg);
}

/* --- sets --- */

static int ki_set(struct sip_msg *msg, int set_id)
{
	rtpp_message message;

	glue_message_init(&message, msg);
	return rtpp_select_set(glue_instance, &message, set_id);
}

static int w_set(struct sip_msg *msg, char *param, char *unused)
{
	fparam_t *fixed = (fparam_t *)param;
	rtpp_message message;
	pv_value_t value;

	(void)unused;
	if(fixed->type == FPARAM_INT)
		return ki_set(msg, fixed->v.i);
	memset(&value, 0, sizeof(value));
	glue_message_init(&message, msg);
	if(pv_get_spec_value(msg, fixed->v.pvs, &value) == 0) {
		if(value.flags & PV_VAL_INT)
			return rtpp_select_set(glue_instance, &message, (int64_t)value.ri);
		if((value.flags & PV_VAL_STR) && !(value.flags & PV_VAL_NULL))
			return rtpp_select_set_text(glue_instance, &message, glue_bytes_of(&value.rs));
	}
	/* No number at all: refused like an unknown set, which takes an earlier choice back. */
	return rtpp_select_set_text(glue_instance, &message, glue_bytes_of(NULL));
}

/* --- prompts and recording --- */

static int play(struct sip_msg *msg, rtpp_bytes prompt, long count, bool to_uas)
{
	rtpp_message message;

	glue_message_init(&message, msg);
	return rtpp_play(glue_instance, &message, prompt, count, to_uas);
}

static int play_format(struct sip_msg *msg, char *format, char *count, bool to_uas)
{
	str prompt = {NULL, 0};

	if(pv_printf_s(msg, (pv_elem_t *)format, &prompt) < 0) {
		LM_ERR("cannot evaluate the name of the prompt\n");
		return -1;
	}
	return play(msg, glue_bytes_of(&prompt), (long)count, to_uas);
}

static int stop_play(struct sip_msg *msg, bool to_uas)
{
	rtpp_message message;

	glue_message_init(&message, msg);
	return rtpp_stop_play(glue_instance, &message, to_uas);
}

static int w_stream2uac(struct sip_msg *msg, char *prompt, char *count)
{
	return play_format(msg, prompt, count, false);
}

static int w_stream2uas(struct sip_msg *msg, char *prompt, char *count)
{
	return play_format(msg, prompt, count, true);
}

static int ki_stream2uac(struct sip_msg *msg, str *prompt, int count)
{
	return play(msg, glue_bytes_of(prompt), count, false);
}

static int ki_stream2uas(struct sip_msg *msg, str *prompt, int count)
{
	return play(msg, glue_bytes_of(prompt), count, true);
}

static int ki_stop_stream2uac(struct sip_msg *msg)
{
	return stop_play(msg, false);
}

static int ki_stop_stream2uas(struct sip_msg *msg)
{
	return stop_play(msg, true);
}

static int ki_start_recording(struct sip_msg *msg)
{
	rtpp_message message;

	glue_message_init(&message, msg);
	return rtpp_record(glue_instance, &message);
}

static int w_stop_stream2uac(struct sip_msg *msg, char *unused1, char *unused2)
{
	(void)unused1, (void)unused2;
	return ki_stop_stream2uac(msg);
}

static int w_stop_stream2uas(struct sip_msg *msg, char *unused1, char *unused2)
{
	(void)unused1, (void)unused2;
	return ki_stop_stream2uas(msg);
}

static int w_start_recording(struct sip_msg *msg, char *unused1, char *unused2)
{
	(void)unused1, (void)unused2;
	return ki_start_recording(msg);
}

/* --- exports --- */

/* Routes whose message tm can make wait. */
#define WAITING_ROUTES (REQUEST_ROUTE | FAILURE_ROUTE | TM_ONREPLY_ROUTE)
#define ENGAGING_ROUTES (REQUEST_ROUTE | FAILURE_ROUTE | BRANCH_ROUTE)

cmd_export_t glue_commands[] = {
		{"set_rtp_proxy_set", (cmd_function)w_set, 1, glue_fixup_set, 0, ANY_ROUTE},
		{"rtpproxy_offer", (cmd_function)w_offer, 0, 0, 0, ANY_ROUTE},
		{"rtpproxy_offer", (cmd_function)w_offer, 1, glue_fixup_offer, fixup_free_spve_null, ANY_ROUTE},
		{"rtpproxy_offer", (cmd_function)w_offer, 2, glue_fixup_offer, fixup_free_spve_spve, ANY_ROUTE},
		{"rtpproxy_answer", (cmd_function)w_answer, 0, 0, 0, ANY_ROUTE},
		{"rtpproxy_answer", (cmd_function)w_answer, 1, glue_fixup_answer, fixup_free_spve_null, ANY_ROUTE},
		{"rtpproxy_answer", (cmd_function)w_answer, 2, glue_fixup_answer, fixup_free_spve_spve, ANY_ROUTE},
		{"rtpproxy_manage", (cmd_function)w_manage, 0, 0, 0, ANY_ROUTE},
		{"rtpproxy_manage", (cmd_function)w_manage, 1, glue_fixup_manage, fixup_free_spve_null, ANY_ROUTE},
		{"rtpproxy_manage", (cmd_function)w_manage, 2, glue_fixup_manage, fixup_free_spve_spve, ANY_ROUTE},
		{"rtpproxy_destroy", (cmd_function)w_destroy, 0, 0, 0, ANY_ROUTE},
		{"rtpproxy_destroy", (cmd_function)w_destroy, 1, glue_fixup_destroy, fixup_free_spve_null, ANY_ROUTE},
		{"unforce_rtp_proxy", (cmd_function)w_destroy, 0, 0, 0, ANY_ROUTE},
		{"unforce_rtp_proxy", (cmd_function)w_destroy, 1, glue_fixup_destroy, fixup_free_spve_null, ANY_ROUTE},
		{"rtpproxy_offer_async", (cmd_function)w_offer_async1, 1, glue_fixup_offer_async, 0, WAITING_ROUTES},
		{"rtpproxy_offer_async", (cmd_function)w_offer_async2, 2, glue_fixup_offer_async, 0, WAITING_ROUTES},
		{"rtpproxy_offer_async", (cmd_function)(void *)w_offer_async, 3, glue_fixup_offer_async, 0, WAITING_ROUTES},
		{"rtpproxy_answer_async", (cmd_function)w_answer_async1, 1, glue_fixup_answer_async, 0, WAITING_ROUTES},
		{"rtpproxy_answer_async", (cmd_function)w_answer_async2, 2, glue_fixup_answer_async, 0, WAITING_ROUTES},
		{"rtpproxy_answer_async", (cmd_function)(void *)w_answer_async, 3, glue_fixup_answer_async, 0, WAITING_ROUTES},
		{"rtpproxy_manage_async", (cmd_function)w_manage_async1, 1, glue_fixup_manage_async, 0, WAITING_ROUTES},
		{"rtpproxy_manage_async", (cmd_function)w_manage_async2, 2, glue_fixup_manage_async, 0, WAITING_ROUTES},
		{"rtpproxy_manage_async", (cmd_function)(void *)w_manage_async, 3, glue_fixup_manage_async, 0, WAITING_ROUTES},
		{"rtpproxy_destroy_async", (cmd_function)w_destroy_async, 0, glue_fixup_destroy_async, 0, ANY_ROUTE},
		{"rtpproxy_destroy_async", (cmd_function)w_destroy_async, 1, glue_fixup_destroy_async, 0, ANY_ROUTE},
		{"rtpproxy_engage", (cmd_function)w_engage, 0, glue_fixup_engage, 0, ENGAGING_ROUTES},
		{"rtpproxy_engage", (cmd_function)w_engage, 1, glue_fixup_engage, fixup_free_spve_null, ENGAGING_ROUTES},
		{"rtpproxy_engage", (cmd_function)w_engage, 2, glue_fixup_engage, fixup_free_spve_spve, ENGAGING_ROUTES},
		{"rtpproxy_engage_async", (cmd_function)w_engage_async1, 1, glue_fixup_engage_async, 0, REQUEST_ROUTE},
		{"rtpproxy_engage_async", (cmd_function)w_engage_async2, 2, glue_fixup_engage_async, 0, REQUEST_ROUTE},
		{"rtpproxy_engage_async", (cmd_function)(void *)w_engage_async, 3, glue_fixup_engage_async, 0, REQUEST_ROUTE},
		{"rtpproxy_disengage", (cmd_function)w_disengage, 0, glue_fixup_disengage, 0, ANY_ROUTE},
		{"rtpproxy_stream2uac", (cmd_function)w_stream2uac, 2, glue_fixup_prompt, 0, ANY_ROUTE},
		{"rtpproxy_stream2uas", (cmd_function)w_stream2uas, 2, glue_fixup_prompt, 0, ANY_ROUTE},
		{"rtpproxy_stop_stream2uac", (cmd_function)w_stop_stream2uac, 0, 0, 0, ANY_ROUTE},
		{"rtpproxy_stop_stream2uas", (cmd_function)w_stop_stream2uas, 0, 0, 0, ANY_ROUTE},
		{"start_recording", (cmd_function)w_start_recording, 0, 0, 0, ANY_ROUTE},
		{0, 0, 0, 0, 0, 0},
};

#define KEMI(name, function, ...)                                     \
	{                                                                 \
		str_init("rtpproxy"), str_init(name), SR_KEMIP_INT, function, \
		{                                                             \
			__VA_ARGS__                                               \
		}                                                             \
	}
#define NONE SR_KEMIP_NONE
#define TEXT SR_KEMIP_STR
#define NUMBER SR_KEMIP_INT

/* clang-format off */
sr_kemi_t glue_kemi_exports[] = {
	KEMI("rtpproxy_offer0", ki_offer0, NONE, NONE, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_offer", ki_offer, TEXT, NONE, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_offer_ip", ki_offer_ip, TEXT, TEXT, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_answer0", ki_answer0, NONE, NONE, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_answer", ki_answer, TEXT, NONE, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_answer_ip", ki_answer_ip, TEXT, TEXT, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_manage0", ki_manage0, NONE, NONE, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_manage", ki_manage, TEXT, NONE, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_manage_ip", ki_manage_ip, TEXT, TEXT, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_destroy0", ki_destroy0, NONE, NONE, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_destroy", ki_destroy, TEXT, NONE, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_offer_async0", ki_offer_async0, TEXT, NONE, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_offer_async", ki_offer_async, TEXT, TEXT, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_offer_async_ip", ki_offer_async_ip, TEXT, TEXT, TEXT, NONE, NONE, NONE),
	KEMI("rtpproxy_answer_async0", ki_answer_async0, TEXT, NONE, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_answer_async", ki_answer_async, TEXT, TEXT, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_answer_async_ip", ki_answer_async_ip, TEXT, TEXT, TEXT, NONE, NONE, NONE),
	KEMI("rtpproxy_manage_async0", ki_manage_async0, TEXT, NONE, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_manage_async", ki_manage_async, TEXT, TEXT, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_manage_async_ip", ki_manage_async_ip, TEXT, TEXT, TEXT, NONE, NONE, NONE),
	KEMI("rtpproxy_destroy_async0", ki_destroy_async0, NONE, NONE, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_destroy_async", ki_destroy_async, TEXT, NONE, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_engage0", ki_engage0, NONE, NONE, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_engage", ki_engage, TEXT, NONE, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_engage_ip", ki_engage_ip, TEXT, TEXT, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_engage_async0", ki_engage_async0, TEXT, NONE, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_engage_async", ki_engage_async, TEXT, TEXT, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_engage_async_ip", ki_engage_async_ip, TEXT, TEXT, TEXT, NONE, NONE, NONE),
	KEMI("rtpproxy_disengage", ki_disengage, NONE, NONE, NONE, NONE, NONE, NONE),
	KEMI("set_rtpproxy_set", ki_set, NUMBER, NONE, NONE, NONE, NONE, NONE),
	KEMI("start_recording", ki_start_recording, NONE, NONE, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_stream2uac", ki_stream2uac, TEXT, NUMBER, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_stream2uas", ki_stream2uas, TEXT, NUMBER, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_stop_stream2uac", ki_stop_stream2uac, NONE, NONE, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_stop_stream2uas", ki_stop_stream2uas, NONE, NONE, NONE, NONE, NONE, NONE),
	{{0, 0}, {0, 0}, 0, NULL, {0, 0, 0, 0, 0, 0}}
};
/* clang-format on */
