/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The script functions, and those for dialogs, sets, prompts and recording: w_* unpack Kamailio's parameters, ki_* are
 * the same functions for KEMI. */

#include "script.h"

/* --- dialogs --- */

static int w_engage(struct sip_msg *msg, char *flags, char *address)
{
	rtpp_bytes flags_text, address_text;

	if(glue_text_of(msg, flags, &flags_text) < 0 || glue_text_of(msg, address, &address_text) < 0)
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

	if(glue_text_of(msg, route, &name) < 0 || (target.route = glue_route_of(name)) < 0)
		return -1;
	if(glue_text_of(msg, flags, &flags_text) < 0 || glue_text_of(msg, address, &address_text) < 0)
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
	glue_engagement engagement;
	rtpp_message message;

	glue_message_init(&message, msg);
	glue_engage_session(msg, &message, &engagement);
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
	glue_engagement engagement;
	rtpp_message message;

	glue_message_init(&message, msg);
	glue_engage_session(msg, &message, &engagement);
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
	glue_engagement engagement;
	rtpp_message message;

	glue_message_init(&message, msg);
	glue_engage_session(msg, &message, &engagement);
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
		{"rtpproxy_offer", (cmd_function)glue_w_offer, 0, 0, 0, ANY_ROUTE},
		{"rtpproxy_offer", (cmd_function)glue_w_offer, 1, glue_fixup_offer, fixup_free_spve_null, ANY_ROUTE},
		{"rtpproxy_offer", (cmd_function)glue_w_offer, 2, glue_fixup_offer, fixup_free_spve_spve, ANY_ROUTE},
		{"rtpproxy_answer", (cmd_function)glue_w_answer, 0, 0, 0, ANY_ROUTE},
		{"rtpproxy_answer", (cmd_function)glue_w_answer, 1, glue_fixup_answer, fixup_free_spve_null, ANY_ROUTE},
		{"rtpproxy_answer", (cmd_function)glue_w_answer, 2, glue_fixup_answer, fixup_free_spve_spve, ANY_ROUTE},
		{"rtpproxy_manage", (cmd_function)glue_w_manage, 0, 0, 0, ANY_ROUTE},
		{"rtpproxy_manage", (cmd_function)glue_w_manage, 1, glue_fixup_manage, fixup_free_spve_null, ANY_ROUTE},
		{"rtpproxy_manage", (cmd_function)glue_w_manage, 2, glue_fixup_manage, fixup_free_spve_spve, ANY_ROUTE},
		{"rtpproxy_destroy", (cmd_function)glue_w_destroy, 0, 0, 0, ANY_ROUTE},
		{"rtpproxy_destroy", (cmd_function)glue_w_destroy, 1, glue_fixup_destroy, fixup_free_spve_null, ANY_ROUTE},
		{"unforce_rtp_proxy", (cmd_function)glue_w_destroy, 0, 0, 0, ANY_ROUTE},
		{"unforce_rtp_proxy", (cmd_function)glue_w_destroy, 1, glue_fixup_destroy, fixup_free_spve_null, ANY_ROUTE},
		{"rtpproxy_offer_async", (cmd_function)glue_w_offer_async1, 1, glue_fixup_offer_async, 0, WAITING_ROUTES},
		{"rtpproxy_offer_async", (cmd_function)glue_w_offer_async2, 2, glue_fixup_offer_async, 0, WAITING_ROUTES},
		{"rtpproxy_offer_async", (cmd_function)(void *)glue_w_offer_async, 3, glue_fixup_offer_async, 0,
				WAITING_ROUTES},
		{"rtpproxy_answer_async", (cmd_function)glue_w_answer_async1, 1, glue_fixup_answer_async, 0, WAITING_ROUTES},
		{"rtpproxy_answer_async", (cmd_function)glue_w_answer_async2, 2, glue_fixup_answer_async, 0, WAITING_ROUTES},
		{"rtpproxy_answer_async", (cmd_function)(void *)glue_w_answer_async, 3, glue_fixup_answer_async, 0,
				WAITING_ROUTES},
		{"rtpproxy_manage_async", (cmd_function)glue_w_manage_async1, 1, glue_fixup_manage_async, 0, WAITING_ROUTES},
		{"rtpproxy_manage_async", (cmd_function)glue_w_manage_async2, 2, glue_fixup_manage_async, 0, WAITING_ROUTES},
		{"rtpproxy_manage_async", (cmd_function)(void *)glue_w_manage_async, 3, glue_fixup_manage_async, 0,
				WAITING_ROUTES},
		{"rtpproxy_destroy_async", (cmd_function)glue_w_destroy_async, 0, glue_fixup_destroy_async, 0, ANY_ROUTE},
		{"rtpproxy_destroy_async", (cmd_function)glue_w_destroy_async, 1, glue_fixup_destroy_async, 0, ANY_ROUTE},
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
	KEMI("rtpproxy_offer0", glue_ki_offer0, NONE, NONE, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_offer", glue_ki_offer, TEXT, NONE, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_offer_ip", glue_ki_offer_ip, TEXT, TEXT, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_answer0", glue_ki_answer0, NONE, NONE, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_answer", glue_ki_answer, TEXT, NONE, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_answer_ip", glue_ki_answer_ip, TEXT, TEXT, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_manage0", glue_ki_manage0, NONE, NONE, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_manage", glue_ki_manage, TEXT, NONE, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_manage_ip", glue_ki_manage_ip, TEXT, TEXT, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_destroy0", glue_ki_destroy0, NONE, NONE, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_destroy", glue_ki_destroy, TEXT, NONE, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_offer_async0", glue_ki_offer_async0, TEXT, NONE, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_offer_async", glue_ki_offer_async, TEXT, TEXT, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_offer_async_ip", glue_ki_offer_async_ip, TEXT, TEXT, TEXT, NONE, NONE, NONE),
	KEMI("rtpproxy_answer_async0", glue_ki_answer_async0, TEXT, NONE, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_answer_async", glue_ki_answer_async, TEXT, TEXT, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_answer_async_ip", glue_ki_answer_async_ip, TEXT, TEXT, TEXT, NONE, NONE, NONE),
	KEMI("rtpproxy_manage_async0", glue_ki_manage_async0, TEXT, NONE, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_manage_async", glue_ki_manage_async, TEXT, TEXT, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_manage_async_ip", glue_ki_manage_async_ip, TEXT, TEXT, TEXT, NONE, NONE, NONE),
	KEMI("rtpproxy_destroy_async0", glue_ki_destroy_async0, NONE, NONE, NONE, NONE, NONE, NONE),
	KEMI("rtpproxy_destroy_async", glue_ki_destroy_async, TEXT, NONE, NONE, NONE, NONE, NONE),
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
