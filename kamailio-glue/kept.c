/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the description of a request within an engaged dialog was changed to when it was first sent on, kept with its
 * transaction: tm takes the edits from the message again, and whoever adds a branch later, as a failure route does that
 * answers a challenge, begins with the message as it came. RTPProxy is not asked again, so a lock or a timer waits for
 * nobody, and each branch gets the same. */

#include "glue.h"

/* In shared memory, in one block: behind it the edits, the body that they are of, and their texts. */
struct glue_kept {
	size_t body_length;
	size_t count;
	rtpp_edit edits[];
};

/* Where the edits that this process makes are kept; NULL: nowhere. */
static glue_kept **place = NULL;

void glue_keep_edits(glue_kept **out)
{
	place = out;
}

static char *body_of(const glue_kept *kept)
{
	return (char *)&kept->edits[kept->count];
}

/* Without memory, branches that come later are as the message came, which is logged then. */
void glue_edits_are_made(const struct sip_msg *msg, const char *body, const rtpp_edit *edits, size_t count)
{
	size_t length = (size_t)(msg->buf + msg->len - body), size = sizeof(glue_kept) + count * sizeof(*edits) + length, i;
	glue_kept *kept;
	char *end;

	if(place == NULL || *place != NULL)
		return;
	for(i = 0; i < count; i++)
		size += edits[i].text.length;
	kept = shm_malloc(size);
	if(kept == NULL) {
		SHM_MEM_ERROR;
		return;
	}
	kept->body_length = length;
	kept->count = count;
	end = body_of(kept);
	memcpy(end, body, length);
	end += length;
	for(i = 0; i < count; i++) {
		kept->edits[i] = edits[i];
		kept->edits[i].text.data = (const uint8_t *)end;
		if(edits[i].text.length > 0)
			memcpy(end, edits[i].text.data, edits[i].text.length);
		end += edits[i].text.length;
	}
	*place = kept;
}

bool glue_make_kept_edits(struct sip_msg *msg, const glue_kept *kept)
{
	const char *body = get_body(msg);

	/* The script may have changed it since. */
	if(body == NULL || (size_t)(msg->buf + msg->len - body) != kept->body_length
			|| memcmp(body, body_of(kept), kept->body_length) != 0
			|| glue_message_body_state(msg) != RTPP_BODY_AS_IT_CAME)
		return false;
	return glue_message_apply(msg, kept->edits, kept->count);
}
