/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Script functions that offer, answer and delete: w_* unpack Kamailio's parameters, ki_* are the same for KEMI. */

#include "script.h"

/* --- parameters --- */

int glue_text_of(struct sip_msg *msg, char *param, rtpp_bytes *out)
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

int glue_route_of(rtpp_bytes name)
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

	if(glue_text_of(msg, flags, &flags_text) < 0 || glue_text_of(msg, address, &address_text) < 0)
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
#define MEDIA_FUNCTION(name)                                               \
	int glue_w_##name(struct sip_msg *msg, char *flags, char *address)     \
	{                                                                      \
		return media(msg, flags, address, rtpp_##name, NULL);              \
	}                                                                      \
	int glue_ki_##name##0(struct sip_msg * msg)                            \
	{                                                                      \
		return ki_media(msg, NULL, NULL, rtpp_##name, NULL);               \
	}                                                                      \
	int glue_ki_##name(struct sip_msg *msg, str *flags)                    \
	{                                                                      \
		return ki_media(msg, flags, NULL, rtpp_##name, NULL);              \
	}                                                                      \
	int glue_ki_##name##_ip(struct sip_msg *msg, str *flags, str *address) \
	{                                                                      \
		return ki_media(msg, flags, address, rtpp_##name, NULL);           \
	}

MEDIA_FUNCTION(offer)
MEDIA_FUNCTION(answer)
MEDIA_FUNCTION(manage)

static int media_async(struct sip_msg *msg, char *route, char *flags, char *address, media_function function)
{
	rtpp_bytes name;
	glue_target target = {-1, NULL};

	if(glue_text_of(msg, route, &name) < 0 || (target.route = glue_route_of(name)) < 0)
		return -1;
	return media(msg, flags, address, function, &target);
}

static int ki_media_async(
		struct sip_msg *msg, const str *callback, const str *flags, const str *address, media_function function)
{
	glue_target target = {-1, callback};

	return ki_media(msg, flags, address, function, &target);
}

#define ASYNC_FUNCTION(name)                                                                    \
	int glue_w_##name##_async(struct sip_msg *msg, char *route, char *flags, char *address)     \
	{                                                                                           \
		return media_async(msg, route, flags, address, rtpp_##name##_async);                    \
	}                                                                                           \
	int glue_w_##name##_async1(struct sip_msg *msg, char *route, char *unused)                  \
	{                                                                                           \
		(void)unused;                                                                           \
		return media_async(msg, route, NULL, NULL, rtpp_##name##_async);                        \
	}                                                                                           \
	int glue_w_##name##_async2(struct sip_msg *msg, char *route, char *flags)                   \
	{                                                                                           \
		return media_async(msg, route, flags, NULL, rtpp_##name##_async);                       \
	}                                                                                           \
	int glue_ki_##name##_async0(struct sip_msg *msg, str *callback)                             \
	{                                                                                           \
		return ki_media_async(msg, callback, NULL, NULL, rtpp_##name##_async);                  \
	}                                                                                           \
	int glue_ki_##name##_async(struct sip_msg *msg, str *callback, str *flags)                  \
	{                                                                                           \
		return ki_media_async(msg, callback, flags, NULL, rtpp_##name##_async);                 \
	}                                                                                           \
	int glue_ki_##name##_async_ip(struct sip_msg *msg, str *callback, str *flags, str *address) \
	{                                                                                           \
		return ki_media_async(msg, callback, flags, address, rtpp_##name##_async);              \
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

#define DELETE_FUNCTION(name, function)                               \
	int glue_w_##name(struct sip_msg *msg, char *flags, char *unused) \
	{                                                                 \
		rtpp_bytes text;                                              \
		(void)unused;                                                 \
		if(glue_text_of(msg, flags, &text) < 0)                       \
			return -1;                                                \
		return delete_call(msg, text, function);                      \
	}                                                                 \
	int glue_ki_##name(struct sip_msg *msg, str *flags)               \
	{                                                                 \
		return delete_call(msg, glue_bytes_of(flags), function);      \
	}                                                                 \
	int glue_ki_##name##0(struct sip_msg * msg)                       \
	{                                                                 \
		return glue_ki_##name(msg, NULL);                             \
	}

DELETE_FUNCTION(destroy, rtpp_delete)
DELETE_FUNCTION(destroy_async, rtpp_delete_async)
