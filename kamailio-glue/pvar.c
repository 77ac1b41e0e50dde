/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pseudo-variables $rtpstat, $rtppstat, $rtpp_stat, $rtpp_rc, $rtpp_metrics, $rtpp_node and $rtpp_notify. */

#include "glue.h"

#include <limits.h>
#include <stdlib.h>

static int get_statistics(struct sip_msg *msg, pv_param_t *param, pv_value_t *result)
{
	/* RTPProxy's replies are 1024 bytes at most. */
	static char text[1024];
	rtpp_message message;
	size_t length = 0;
	str value;

	glue_message_init(&message, msg);
	if(rtpp_statistics(glue_instance, &message, (uint8_t *)text, sizeof(text), &length) != RTPP_OK)
		return pv_get_null(msg, param, result);
	value.s = text;
	value.len = (int)length;
	return pv_get_strval(msg, param, result, &value);
}

/* The name is looked up when the script is read: it is none of the glue's business, only its number is kept. */
static int parse_figure(pv_spec_t *spec, str *name)
{
	int32_t index = rtpp_figure_index(glue_instance, glue_bytes_of(name));

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

	glue_message_init(&message, msg);
	if(rtpp_figure(glue_instance, &message, (int32_t)param->pvn.u.isname.name.n, &value) != RTPP_OK)
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
	if(msg == NULL || msg != glue_resumed_message())
		return pv_get_null(msg, param, result);
	return pv_get_sintval(msg, param, result, glue_resumed_code());
}

/* The figures of all RTPProxies for Prometheus. They grow with the number of RTPProxies, and so does the memory. */
static int get_metrics(struct sip_msg *msg, pv_param_t *param, pv_value_t *result)
{
	static char *text = NULL;
	static size_t capacity = 0;
	rtpp_status status = RTPP_TOO_SMALL;
	size_t length = 16384;
	int i;
	str value;

	/* They may grow between two looks. */
	for(i = 0; i < 3 && status == RTPP_TOO_SMALL; i++) {
		if(length > capacity) {
			char *larger = realloc(text, length + length / 4);

			if(larger == NULL)
				return pv_get_null(msg, param, result);
			text = larger;
			capacity = length + length / 4;
		}
		status = rtpp_metrics(glue_instance, (uint8_t *)text, capacity, &length);
	}
	if(status != RTPP_OK || length > INT_MAX)
		return pv_get_null(msg, param, result);
	value.s = text;
	value.len = (int)length;
	return pv_get_strval(msg, param, result, &value);
}

/* The parts of an event that a variable shows, by the name in its parentheses. */
enum event_part { NODE_URL, NODE_SETID, NODE_REASON, NOTIFY_TAG, NOTIFY_CALLID, NOTIFY_STREAM };

static int parse_part(pv_spec_p spec, const str *name, const char *const *names, size_t count, int first)
{
	size_t i;

	for(i = 0; name != NULL && i < count; i++) {
		if(name->len == (int)strlen(names[i]) && memcmp(name->s, names[i], name->len) == 0) {
			spec->pvp.pvn.type = PV_NAME_INTSTR;
			spec->pvp.pvn.u.isname.type = 0;
			spec->pvp.pvn.u.isname.name.n = first + (int)i;
			return 0;
		}
	}
	LM_ERR("a variable has no part \"%.*s\"\n", name != NULL ? name->len : 0, name != NULL ? name->s : "");
	return -1;
}

static int parse_node_part(pv_spec_p spec, str *name)
{
	static const char *const names[] = {"url", "setid", "reason"};

	return parse_part(spec, name, names, 3, NODE_URL);
}

static int parse_notify_part(pv_spec_p spec, str *name)
{
	static const char *const names[] = {"tag", "callid", "stream"};

	if(parse_part(spec, name, names, 3, NOTIFY_TAG) < 0)
		return -1;
	if(spec->pvp.pvn.u.isname.name.n == NOTIFY_STREAM)
		rtpp_tell_streams(glue_instance);
	return 0;
}

static int get_event_part(struct sip_msg *msg, pv_param_t *param, pv_value_t *result)
{
	const rtpp_event *event = glue_event_current();
	rtpp_bytes bytes = {NULL, 0};
	str value;

	if(event == NULL || param->pvn.type != PV_NAME_INTSTR)
		return pv_get_null(msg, param, result);
	switch((enum event_part)param->pvn.u.isname.name.n) {
		case NODE_URL:
			bytes = event->url;
			break;
		case NODE_SETID:
			if(event->url.data == NULL)
				return pv_get_null(msg, param, result);
			return pv_get_uintval(msg, param, result, event->set_id);
		case NODE_REASON:
			bytes = event->reason;
			break;
		case NOTIFY_TAG:
			bytes = event->tag;
			break;
		case NOTIFY_CALLID:
			bytes = event->call_id;
			break;
		case NOTIFY_STREAM:
			if(event->stream == 0)
				return pv_get_null(msg, param, result);
			return pv_get_uintval(msg, param, result, event->stream);
	}
	if(bytes.data == NULL)
		return pv_get_null(msg, param, result);
	value.s = (char *)bytes.data;
	value.len = (int)bytes.length;
	return pv_get_strval(msg, param, result, &value);
}

pv_export_t glue_variables[] = {
		{STR_STATIC_INIT("rtppstat"), PVT_OTHER, get_statistics, 0, 0, 0, 0, 0},
		{STR_STATIC_INIT("rtpp_node"), PVT_OTHER, get_event_part, 0, parse_node_part, 0, 0, 0},
		{STR_STATIC_INIT("rtpp_notify"), PVT_OTHER, get_event_part, 0, parse_notify_part, 0, 0, 0},
		{STR_STATIC_INIT("rtpp_metrics"), PVT_OTHER, get_metrics, 0, 0, 0, 0, 0},
		{STR_STATIC_INIT("rtpp_stat"), PVT_OTHER, get_figure, 0, parse_figure, 0, 0, 0},
		{STR_STATIC_INIT("rtpp_rc"), PVT_OTHER, get_code, 0, 0, 0, 0, 0},
		{STR_STATIC_INIT("rtpstat"), PVT_OTHER, get_statistics, 0, 0, 0, 0, 0},
		{{0, 0}, 0, 0, 0, 0, 0, 0, 0},
};
