/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Edits of a body as Kamailio's lumps: which of them are ours, which of ours are over, and those of others.
 *
 * A lump says by its type that it is ours and how many branches its transaction had when it was made; the type is what
 * tm keeps when it copies lumps for a branch or for a failure route. When a destination has failed, what was made for
 * it is over: the next one may have edits of its own, which replace the old ones. */

#include "glue.h"

#include "modules/tm/tm_load.h"

/* The core knows no header of these numbers. */
#define OURS 0x52545000
#define GENERATIONS 0xFFF

static bool is_ours(const struct lump *lump)
{
	return ((int)lump->type & ~GENERATIONS) == OURS;
}

/* The transaction whose failure route, branch route or continued route works on a copy of the request that is its own;
 * NULL elsewhere. */
static struct cell *transaction_of_copy(const struct sip_msg *msg)
{
	if(msg->first_line.type != SIP_REQUEST || !(msg->msg_flags & FL_SHM_CLONE))
		return NULL;
	return glue_current_transaction();
}

/* What new edits are marked with. */
static int generation_of(const struct sip_msg *msg)
{
	struct cell *transaction = transaction_of_copy(msg);

	if(transaction == NULL)
		return 0;
	return transaction->nr_of_outgoings < GENERATIONS ? transaction->nr_of_outgoings : GENERATIONS;
}

static bool is_replacing = false;

void glue_message_replace(bool replaces)
{
	is_replacing = replaces;
}

/* Whether what a lump of ours was made for has been sent, and its destination has failed. */
static bool is_over(const struct lump *lump, const struct cell *transaction)
{
	int branch;

	if(is_replacing)
		return true;
	if(transaction == NULL)
		return false;
	/* A failure route that nobody has suspended begins with what came before it, in shared memory. */
	if((lump->flags & LUMPFLAG_SHMEM) && !(lump->flags & LUMPFLAG_DUPED) && (get_route_type() & FAILURE_ROUTE)
			&& !(transaction->flags & T_ASYNC_CONTINUE))
		return true;
	/* Marked by tm once all branches that were added together have been sent. */
	for(branch = (int)lump->type & GENERATIONS; branch < transaction->nr_of_outgoings; branch++) {
		if(transaction->uac[branch].flags & TM_UAC_FLAG_FB)
			return true;
	}
	return false;
}

/* Whether a lump changes anything: an anchor alone does not. */
static bool is_effective(const struct lump *lump)
{
	return (lump->op == LUMP_DEL && lump->len > 0) || lump->before != NULL || lump->after != NULL;
}

rtpp_body_state glue_message_body_state(void *context)
{
	struct sip_msg *msg = context;
	struct cell *transaction = transaction_of_copy(msg);
	rtpp_body_state state = RTPP_BODY_AS_IT_CAME;
	const struct lump *lump;

	for(lump = msg->body_lumps; lump != NULL; lump = lump->next) {
		if(!is_ours(lump)) {
			if(is_effective(lump))
				state = RTPP_BODY_EDITED;
		} else if(!is_over(lump, transaction)) {
			return RTPP_BODY_REWRITTEN;
		}
	}
	return state;
}

/* The core's free_lump does not tell the kinds of memory apart that a list may have by now. */
static void free_one(struct lump *lump)
{
	/* First: newer cores leave the other flag on copies, too. */
	if(lump->flags & LUMPFLAG_DUPED) {
		pkg_free(lump);
		return;
	}
	/* A part of the copy of the request, freed with it. */
	if(lump->flags & LUMPFLAG_SHMEM)
		return;
	if(lump->op == LUMP_ADD && lump->u.value != NULL)
		pkg_free(lump->u.value);
	pkg_free(lump);
}

static void free_with_insertions(struct lump *lump)
{
	struct lump *next;

	while((next = lump->before) != NULL) {
		lump->before = next->before;
		free_one(next);
	}
	while((next = lump->after) != NULL) {
		lump->after = next->after;
		free_one(next);
	}
	free_one(lump);
}

/* Takes every lump of ours out of the list, in order. Before new ones are made, those are the ones that are over; where
 * one of the new could not be made, the others of them. */
static struct lump *take_ours(struct sip_msg *msg)
{
	struct lump **link = &msg->body_lumps, *first = NULL, **last = &first;

	while(*link != NULL) {
		struct lump *lump = *link;

		if(is_ours(lump)) {
			*link = lump->next;
			lump->next = NULL;
			*last = lump;
			last = &lump->next;
		} else {
			link = &lump->next;
		}
	}
	return first;
}

static void free_all(struct lump *lump)
{
	while(lump != NULL) {
		struct lump *next = lump->next;

		free_with_insertions(lump);
		lump = next;
	}
}

/* Puts lumps back where they were: the list is sorted by offset. */
static void put_back(struct sip_msg *msg, struct lump *lump)
{
	while(lump != NULL) {
		struct lump *next = lump->next, **link = &msg->body_lumps;

		while(*link != NULL && (*link)->u.offset <= lump->u.offset)
			link = &(*link)->next;
		lump->next = *link;
		*link = lump;
		lump = next;
	}
}

/* How many edits from here on become one lump: those with only a few blanks between them, as the family and the address
 * of a line. Other modules do not edit such blanks, and each lump costs three blocks of memory. */
static size_t neighbours(const char *body, const rtpp_edit *edits, size_t count)
{
	size_t found = 1;

	while(found < count) {
		size_t at = edits[found - 1].offset + edits[found - 1].removed, next = edits[found].offset;

		if(next - at > 4 || edits[found - 1].removed == 0 || edits[found].removed == 0)
			break;
		while(at < next && (body[at] == ' ' || body[at] == '\t'))
			at++;
		if(at < next)
			break;
		found++;
	}
	return found;
}

/* Makes one lump of edits that are neighbours, the blanks between them added again. */
static bool apply_edits(struct sip_msg *msg, char *body, const rtpp_edit *edits, size_t count, enum _hdr_types_t mark)
{
	const rtpp_edit *last = &edits[count - 1];
	size_t removed = last->offset + last->removed - edits->offset, length = 0, i;
	int offset = (int)(body - msg->buf) + (int)edits->offset;
	struct lump *place;
	char *text, *end;

	place = removed > 0 ? del_lump(msg, offset, (int)removed, mark) : anchor_lump(msg, offset, 0, mark);
	if(place == NULL)
		return false;
	for(i = 0; i < count; i++) {
		length += edits[i].text.length;
		if(i > 0)
			length += edits[i].offset - (edits[i - 1].offset + edits[i - 1].removed);
	}
	if(length == 0)
		return true;
	text = end = pkg_malloc(length);
	if(text == NULL) {
		PKG_MEM_ERROR;
		return false;
	}
	for(i = 0; i < count; i++) {
		if(i > 0) {
			size_t at = edits[i - 1].offset + edits[i - 1].removed;

			memcpy(end, body + at, edits[i].offset - at);
			end += edits[i].offset - at;
		}
		if(edits[i].text.length > 0)
			memcpy(end, edits[i].text.data, edits[i].text.length);
		end += edits[i].text.length;
	}
	if(insert_new_lump_after(place, text, (int)length, mark) == NULL) {
		pkg_free(text);
		return false;
	}
	return true;
}

bool glue_message_apply(void *context, const rtpp_edit *edits, size_t count)
{
	struct sip_msg *msg = context;
	enum _hdr_types_t mark = (enum _hdr_types_t)(OURS | generation_of(msg));
	char *body = get_body(msg);
	struct lump *over;
	size_t i, together;

	if(body == NULL)
		return false;
	/* All that are left are over: a message with others is refused before. */
	over = take_ours(msg);
	for(i = 0; i < count; i += together) {
		together = neighbours(body, &edits[i], count - i);
		if(!apply_edits(msg, body, &edits[i], together, mark)) {
			free_all(take_ours(msg));
			put_back(msg, over);
			return false;
		}
	}
	free_all(over);
	glue_edits_are_made(msg, body, edits, count);
	return true;
}
