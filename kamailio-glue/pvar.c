/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pseudo-variables $rtpstat, $rtppstat, $rtpp_stat, $rtpp_rc, $rtpp_metrics and its pages, $rtpp_node and
 * $rtpp_notify. */

#include "glue.h"

#include <limits.h>
#include <stdlib.h>

#include "core/pvapi.h"

static int get_statistics(struct sip_msg *msg, pv_param_t *param, pv_value_t *result)
{
	/* RTPProxy's replies are 1024 bytes at most. */
	static char text[1024];
	glue_engagement engagement;
	rtpp_message message;
	size_t length = 0;
	str value;

	glue_message_init(&message, msg);
	glue_engage_session(msg, &message, &engagement);
	if(rtpp_statistics(glue_instance, &message, (uint8_t *)text, sizeof(text), &length) != RTPP_OK)
		return pv_get_null(msg, param, result);
	value.s = text;
	value.len = (int)length;
	return pv_get_strval(msg, param, result, &value);
}

/* The name is looked up when the script is read; the glue keeps only its number. */
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
	glue_engagement engagement;
	rtpp_message message;
	str text;

	glue_message_init(&message, msg);
	glue_engage_session(msg, &message, &engagement);
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

/* Page `page` of all figures for Prometheus, in pages of the size that Kamailio puts texts together in. */
static rtpp_status metrics(size_t page, str *text, size_t *pages)
{
	static char *memory = NULL;
	static size_t capacity = 0;
	uint64_t values[RTPP_MOST_COUNTERS];
	size_t count = glue_counters_count();
	/* One byte of a buffer is reserved. */
	size_t room = (size_t)pv_get_buffer_size() - 1;
	size_t length = 0;
	size_t i;
	char *name;
	rtpp_status status;

	if(capacity != room) {
		free(memory);
		memory = malloc(room);
		capacity = memory == NULL ? 0 : room;
	}
	if(memory == NULL)
		return RTPP_NO_MEMORY;
	for(i = 0; i < count; i++)
		values[i] = glue_counters_value(i, &name);
	status = rtpp_metrics(glue_instance, values, count, page, (uint8_t *)memory, capacity, &length, pages);
	if(status == RTPP_TOO_SMALL)
		LM_ERR("pv_buffer_size %d has no room for the metrics of one RTPProxy: double it\n", pv_get_buffer_size());
	text->s = memory;
	text->len = (int)length;
	return status;
}

static int get_page(struct sip_msg *msg, pv_param_t *param, pv_value_t *result)
{
	unsigned int page = 1;
	size_t pages;
	pv_value_t given;
	str text;

	if(param->pvn.type == PV_NAME_PVAR) {
		if(pv_get_spec_value(msg, param->pvn.u.dname, &given) < 0 || (given.flags & PV_VAL_NULL))
			return pv_get_null(msg, param, result);
		if(given.flags & PV_VAL_INT)
			page = given.ri > 0 && given.ri <= INT_MAX ? (unsigned int)given.ri : 0;
		else if(str2int(&given.rs, &page) < 0)
			page = 0;
	} else if(param->pvn.u.isname.name.n > 0) {
		page = (unsigned int)param->pvn.u.isname.name.n;
	}
	if(metrics(page, &text, &pages) != RTPP_OK)
		return pv_get_null(msg, param, result);
	return pv_get_strval(msg, param, result, &text);
}

static int get_pages(struct sip_msg *msg, pv_param_t *param, pv_value_t *result)
{
	size_t pages;
	str text;

	if(metrics(0, &text, &pages) != RTPP_NOT_FOUND)
		return pv_get_null(msg, param, result);
	return pv_get_uintval(msg, param, result, (unsigned int)pages);
}

/* A number, or a variable that holds one. */
static int parse_page(pv_spec_p spec, str *name)
{
	unsigned int page = 0;
	pv_spec_t *variable;

	if(name->len > 0 && name->s[0] == '$') {
		variable = pkg_malloc(sizeof(*variable));
		if(variable != NULL && pv_parse_spec(name, variable) != NULL) {
			spec->pvp.pvn.type = PV_NAME_PVAR;
			spec->pvp.pvn.u.dname = variable;
			return 0;
		}
		if(variable != NULL)
			pkg_free(variable);
	} else if(str2int(name, &page) == 0 && page > 0 && page <= INT_MAX) {
		spec->pvp.pvn.type = PV_NAME_INTSTR;
		spec->pvp.pvn.u.isname.name.n = (int)page;
		return 0;
	}
	LM_ERR("$rtpp_metrics_page(%.*s): neither a number from 1 on nor a variable\n", name->len, name->s);
	return -1;
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
	LM_ERR("%s(%.*s): there is no such part\n", first == NODE_URL ? "$rtpp_node" : "$rtpp_notify",
			name != NULL ? name->len : 0, name != NULL ? name->s : "");
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

/* Whether the module looks after the dialog of the message. */
static int get_engaged(struct sip_msg *msg, pv_param_t *param, pv_value_t *result)
{
	return pv_get_uintval(msg, param, result, msg != NULL && glue_is_engaged(msg) ? 1 : 0);
}

pv_export_t glue_variables[] = {
		{STR_STATIC_INIT("rtppstat"), PVT_OTHER, get_statistics, 0, 0, 0, 0, 0},
		{STR_STATIC_INIT("rtpp_node"), PVT_OTHER, get_event_part, 0, parse_node_part, 0, 0, 0},
		{STR_STATIC_INIT("rtpp_notify"), PVT_OTHER, get_event_part, 0, parse_notify_part, 0, 0, 0},
		{STR_STATIC_INIT("rtpp_metrics"), PVT_OTHER, get_page, 0, 0, 0, 0, 0},
		{STR_STATIC_INIT("rtpp_metrics_page"), PVT_OTHER, get_page, 0, parse_page, 0, 0, 0},
		{STR_STATIC_INIT("rtpp_metrics_pages"), PVT_OTHER, get_pages, 0, 0, 0, 0, 0},
		{STR_STATIC_INIT("rtpp_stat"), PVT_OTHER, get_figure, 0, parse_figure, 0, 0, 0},
		{STR_STATIC_INIT("rtpp_engaged"), PVT_OTHER, get_engaged, 0, 0, 0, 0, 0},
		{STR_STATIC_INIT("rtpp_rc"), PVT_OTHER, get_code, 0, 0, 0, 0, 0},
		{STR_STATIC_INIT("rtpstat"), PVT_OTHER, get_statistics, 0, 0, 0, 0, 0},
		{{0, 0}, 0, 0, 0, 0, 0, 0, 0},
};
