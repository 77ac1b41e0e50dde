/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Functions of the script that media.c has, for the table of them all in script.c. */
#ifndef RTPP_SCRIPT_H
#define RTPP_SCRIPT_H

#include "glue.h"

/* The text of a parameter; absent where it is not given. 0, or -1 where it cannot be evaluated. */
int glue_text_of(struct sip_msg *msg, char *param, rtpp_bytes *out);
/* The index of a route by its name; -1, and a line in the log, where there is none. */
int glue_route_of(rtpp_bytes name);

#define MEDIA_FUNCTIONS(name)                                                                \
	int glue_w_##name(struct sip_msg *msg, char *flags, char *address);                      \
	int glue_ki_##name##0(struct sip_msg * msg);                                             \
	int glue_ki_##name(struct sip_msg *msg, str *flags);                                     \
	int glue_ki_##name##_ip(struct sip_msg *msg, str *flags, str *address);                  \
	int glue_w_##name##_async(struct sip_msg *msg, char *route, char *flags, char *address); \
	int glue_w_##name##_async1(struct sip_msg *msg, char *route, char *unused);              \
	int glue_w_##name##_async2(struct sip_msg *msg, char *route, char *flags);               \
	int glue_ki_##name##_async0(struct sip_msg *msg, str *callback);                         \
	int glue_ki_##name##_async(struct sip_msg *msg, str *callback, str *flags);              \
	int glue_ki_##name##_async_ip(struct sip_msg *msg, str *callback, str *flags, str *address);

#define DELETE_FUNCTIONS(name)                                         \
	int glue_w_##name(struct sip_msg *msg, char *flags, char *unused); \
	int glue_ki_##name(struct sip_msg *msg, str *flags);               \
	int glue_ki_##name##0(struct sip_msg * msg);

MEDIA_FUNCTIONS(offer)
MEDIA_FUNCTIONS(answer)
MEDIA_FUNCTIONS(manage)
DELETE_FUNCTIONS(destroy)
DELETE_FUNCTIONS(destroy_async)

#endif
