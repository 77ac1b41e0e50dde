/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pseudo-variables $rtpstat, $rtppstat and $rtpp_rc. */

#include "glue.h"

static int get_statistics(struct sip_msg *msg, pv_param_t *param, pv_value_t *result)
{
	/* RTPProxy's replies are 1024 bytes at most. */
	static char text[1024];
	rtpp_message message;
	size_t length = 0;
	str value;

	rtpp_message_init(&message, msg);
	if(rtpp_statistics(rtpp_instance, &message, (uint8_t *)text, sizeof(text), &length) != RTPP_OK)
		return pv_get_null(msg, param, result);
	value.s = text;
	value.len = (int)length;
	return pv_get_strval(msg, param, result, &value);
}

/* What the call came to, in the route that a transaction goes on in. */
static int get_code(struct sip_msg *msg, pv_param_t *param, pv_value_t *result)
{
	if(msg == NULL || msg != rtpp_resumed_message())
		return pv_get_null(msg, param, result);
	return pv_get_sintval(msg, param, result, rtpp_resumed_code());
}

pv_export_t rtpp_variables[] = {
		{STR_STATIC_INIT("rtppstat"), PVT_OTHER, get_statistics, 0, 0, 0, 0, 0},
		{STR_STATIC_INIT("rtpp_rc"), PVT_OTHER, get_code, 0, 0, 0, 0, 0},
		{STR_STATIC_INIT("rtpstat"), PVT_OTHER, get_statistics, 0, 0, 0, 0, 0},
		{{0, 0}, 0, 0, 0, 0, 0, 0, 0},
};
