/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Branches of an engaged dialog's first INVITE that have a session of their own, and which of them takes the call.
 *
 * In the dialog's variables: rtpproxy_engaged.N is what holds for branch N, rtpproxy_engaged.N+ for those from N on,
 * which a failure route has begun, and "-" where the next one begins and they have what holds for the dialog;
 * rtpproxy_tags.N has the tags that came back through branch N, and rtpproxy_taken the number of the branch that has
 * taken the call, "-" where nobody can tell. The others are not looked for unless rtpproxy_forks is there. */

#include "glue.h"

#include "core/config.h"
#include "core/ut.h"

#define LONGEST_NAME 32
#define LONGEST_TAGS 512

static const str forks = str_init("rtpproxy_forks");
static const str taken = str_init("rtpproxy_taken");

typedef struct name {
	char text[LONGEST_NAME];
	str is;
} name;

static const str *named(name *out, const char *what, int branch, bool is_of_later)
{
	out->is.s = out->text;
	out->is.len = snprintf(out->text, sizeof(out->text), "rtpproxy_%s.%d%s", what, branch, is_of_later ? "+" : "");
	return &out->is;
}

static const str *name_of(name *out, const glue_engagement *engagement)
{
	return named(out, "engaged", engagement->fork, engagement->is_of_later);
}

/* As tm writes it: in hexadecimal, the last digit first. */
int glue_fork_number(rtpp_bytes branch)
{
	size_t i = branch.length;
	unsigned int number = 0;

	while(i > 0 && branch.data[i - 1] != '.')
		i--;
	if(i == 0 || branch.length - i == 0 || branch.length - i > 2
			|| reverse_hex2int((char *)branch.data + i, (int)(branch.length - i), &number) < 0
			|| number >= MAX_BRANCHES_LIMIT)
		return -1;
	return (int)number;
}

static bool is_forked(struct dlg_cell *dlg)
{
	char one[1];

	return glue_dialog_value(dlg, &forks, one, sizeof(one)) > 0;
}

bool glue_fork_begin(struct dlg_cell *dlg, const glue_engagement *engagement, const char *text, size_t length)
{
	name own;

	return glue_dialog_set(dlg, name_of(&own, engagement), text, length) && glue_dialog_set(dlg, &forks, "1", 1);
}

bool glue_fork_change(struct dlg_cell *dlg, const glue_engagement *engagement, const char *text, size_t length)
{
	name own;

	/* Not of those that are over. */
	return is_forked(dlg) && glue_dialog_set(dlg, name_of(&own, engagement), text, length);
}

void glue_fork_forget(struct dlg_cell *dlg, const glue_engagement *engagement)
{
	name own;

	glue_dialog_unset(dlg, name_of(&own, engagement));
}

/* Whether what failure routes have begun before holds no longer from this branch on. */
static bool is_end(struct dlg_cell *dlg, int branch)
{
	char one[1];
	name own;

	return glue_dialog_value(dlg, named(&own, "engaged", branch, true), one, sizeof(one)) == 1 && one[0] == '-';
}

static bool is_there(struct dlg_cell *dlg, int branch, bool is_of_later, glue_engagement *out)
{
	name own;

	if((is_of_later && is_end(dlg, branch)) || !glue_dialog_read(dlg, named(&own, "engaged", branch, is_of_later), out))
		return false;
	out->fork = branch;
	out->is_of_later = is_of_later;
	return true;
}

bool glue_fork_read(struct dlg_cell *dlg, glue_engagement *own)
{
	return is_there(dlg, own->fork, own->is_of_later, own);
}

/* What holds for a branch, where that is not what holds for the dialog. */
static bool of_branch(struct dlg_cell *dlg, int branch, glue_engagement *out)
{
	int from;

	if(branch < 0)
		return false;
	if(is_there(dlg, branch, false, out))
		return true;
	for(from = branch; from >= 0 && !is_end(dlg, from); from--) {
		if(is_there(dlg, from, true, out))
			return true;
	}
	return false;
}

void glue_fork_end(struct dlg_cell *dlg, int branch)
{
	glue_engagement former;
	name own;

	if(branch < MAX_BRANCHES_LIMIT && is_forked(dlg) && of_branch(dlg, branch, &former) && former.fork < branch
			&& !glue_dialog_set(dlg, named(&own, "engaged", branch, true), "-", 1))
		LM_ERR("no memory to note what holds for the branches of a failure route\n");
}

bool glue_word_at(const char *text, size_t length, rtpp_bytes word, size_t *at)
{
	size_t start = 0, i;

	for(i = 0; i <= length; i++) {
		if(i < length && text[i] != ' ')
			continue;
		if(word.data != NULL && i - start == word.length && memcmp(text + start, word.data, word.length) == 0) {
			*at = start;
			return true;
		}
		start = i + 1;
	}
	return false;
}

static bool has_word(const char *text, size_t length, rtpp_bytes tag)
{
	size_t at;

	return glue_word_at(text, length, tag, &at);
}

/* A tag that nobody can note is looked after as the dialog's, as far as it is not the one that takes the call. */
static void note_tag(struct dlg_cell *dlg, int branch, rtpp_bytes tag)
{
	char tags[LONGEST_TAGS];
	size_t length;
	name own;

	if(tag.data == NULL || tag.length == 0 || memchr(tag.data, ' ', tag.length) != NULL)
		return;
	length = glue_dialog_value(dlg, named(&own, "tags", branch, false), tags, sizeof(tags));
	if((length > 0 && has_word(tags, length, tag)) || length + 1 + tag.length > sizeof(tags))
		return;
	if(length > 0)
		tags[length++] = ' ';
	memcpy(tags + length, tag.data, tag.length);
	glue_dialog_set(dlg, &own.is, tags, length + tag.length);
}

static int taken_by(struct dlg_cell *dlg)
{
	char text[LONGEST_NAME];
	str value = {text, (int)glue_dialog_value(dlg, &taken, text, sizeof(text))};
	unsigned int number;

	return value.len > 0 && str2int(&value, &number) == 0 && number < MAX_BRANCHES_LIMIT ? (int)number : -1;
}

bool glue_fork_of_reply(struct dlg_cell *dlg, const rtpp_message *reply, glue_engagement *engagement)
{
	int branch = glue_fork_number(reply->via1_branch), other;

	if(!is_forked(dlg)) {
		/* One that comes too late has no session, and the one that is there is another's. */
		other = taken_by(dlg);
		return other < 0 || other == branch;
	}
	if(of_branch(dlg, branch, engagement))
		note_tag(dlg, branch, reply->to_tag);
	return true;
}

void glue_fork_of_message(struct dlg_cell *dlg, const rtpp_message *message, glue_engagement *engagement)
{
	bool is_from = engagement->read.from_callee == message->is_request;
	rtpp_bytes tag = is_from ? message->from_tag : message->to_tag;
	char tags[LONGEST_TAGS];
	size_t length;
	int branch;
	name own;

	if(!is_forked(dlg))
		return;
	for(branch = 0; tag.data != NULL && branch < MAX_BRANCHES_LIMIT; branch++) {
		length = glue_dialog_value(dlg, named(&own, "tags", branch, false), tags, sizeof(tags));
		if(length > 0 && has_word(tags, length, tag)) {
			of_branch(dlg, branch, engagement);
			return;
		}
	}
	of_branch(dlg, taken_by(dlg), engagement);
}

void glue_fork_taken(struct dlg_cell *dlg, struct sip_msg *reply)
{
	rtpp_message message;
	char text[LONGEST_NAME];
	int branch = -1, length;

	if(!is_forked(dlg))
		return;
	if(reply != NULL && reply != FAKED_REPLY) {
		glue_message_init(&message, reply);
		branch = glue_fork_number(message.via1_branch);
	}
	length = branch < 0 ? snprintf(text, sizeof(text), "-") : snprintf(text, sizeof(text), "%d", branch);
	glue_dialog_set(dlg, &taken, text, (size_t)length);
}

bool glue_fork_is_taken(struct dlg_cell *dlg)
{
	char text[LONGEST_NAME];

	return glue_dialog_value(dlg, &taken, text, sizeof(text)) > 0;
}

bool glue_fork_close(struct dlg_cell *dlg, glue_engagement *kept)
{
	if(!is_forked(dlg) || !glue_dialog_unset(dlg, &forks))
		return false;
	of_branch(dlg, taken_by(dlg), kept);
	return true;
}

static bool is_equal(rtpp_bytes one, rtpp_bytes other)
{
	if((one.data == NULL) != (other.data == NULL) || one.length != other.length)
		return false;
	return one.data == NULL || memcmp(one.data, other.data, one.length) == 0;
}

bool glue_fork_is_same(const glue_engagement *one, const glue_engagement *other)
{
	return one->read.set_id == other->read.set_id && is_equal(one->read.branch, other->read.branch)
		   && is_equal(one->read.extra_id, other->read.extra_id);
}

bool glue_fork_next(struct dlg_cell *dlg, const glue_engagement *kept, int *place, glue_engagement *out)
{
	name own;

	while(*place < 2 * MAX_BRANCHES_LIMIT) {
		int branch = *place / 2;
		bool is_of_later = *place % 2 != 0;

		(*place)++;
		if(!is_of_later)
			glue_dialog_unset(dlg, named(&own, "tags", branch, false));
		if(is_of_later && is_end(dlg, branch))
			glue_dialog_unset(dlg, named(&own, "engaged", branch, true));
		if(!is_there(dlg, branch, is_of_later, out))
			continue;
		glue_fork_forget(dlg, out);
		if(!glue_fork_is_same(out, kept))
			return true;
	}
	return false;
}
