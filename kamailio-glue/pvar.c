/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pseudo-variables $rtpstat, $rtppstat, $rtpp_stat and $rtpp_rc. */

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

/* The name is looked up when the script is read: it is none of the glue's business, only its number is kept. */
static int parse_figure(pv_spec_t *spec, str *name)
{
	int32_t index = rtpp_figure_index(rtpp_bytes_of(name));

	if(index < 0) {
		LM_ERR("$rtpp_stat(%.*s): there is no such figure\n", name->len, name->s);
		return -1;
	}
	spec->pvp.pvn.type = PV_NAME_INTSTR;
	spec->pvp.pvn.u.isname.type = 0;
	spec->pvp.pvn.u.isname.name.n = (int)index;
	return 0;
}

static int get_figure(struct sip_msg *msg, pv_param_t *param, pv_value_t *result)
{
	static rtpp_figure_value value;
	rtpp_message message;
	str text;

	rtpp_message_init(&message, msg);
	if(rtpp_figure(rtpp_instance, &message, (int32_t)param->pvn.u.isname.name.n, &value) != RTPP_OK)
		return pv_get_null(msg, param, result);
	text.s = (char *)value.text;
	text.len = (int)value.length;
	/* Kamailio's integers are int or long, with its version. */
	if(value.is_whole && (__typeof__(result->ri))value.number == value.number)
		return pv_get_intstrval(msg, param, result, (__typeof__(result->ri))value.number, &text);
	return pv_get_strval(msg, param, result, &text);
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
		{STR_STATIC_INIT("rtpp_stat"), PVT_OTHER, get_figure, 0, parse_figure, 0, 0, 0},
		{STR_STATIC_INIT("rtpp_rc"), PVT_OTHER, get_code, 0, 0, 0, 0, 0},
		{STR_STATIC_INIT("rtpstat"), PVT_OTHER, get_statistics, 0, 0, 0, 0, 0},
		{{0, 0}, 0, 0, 0, 0, 0, 0, 0},
};
