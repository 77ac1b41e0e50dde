/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of the contract rtpp_abi.h: the script functions, and how asynchronous ones go on. On any failure the message is as
 * it came. */
#ifndef RTPP_CALLS_H
#define RTPP_CALLS_H

#include "rtpp_message.h"

/* `flags` absent: none. `address` absent: not given; empty: refused. */
RTPP_API rtpp_code rtpp_offer(rtpp_module *module, const rtpp_message *message, rtpp_bytes flags, rtpp_bytes address);
RTPP_API rtpp_code rtpp_answer(rtpp_module *module, const rtpp_message *message, rtpp_bytes flags, rtpp_bytes address);
RTPP_API rtpp_code rtpp_manage(rtpp_module *module, const rtpp_message *message, rtpp_bytes flags, rtpp_bytes address);
RTPP_API rtpp_code rtpp_delete(rtpp_module *module, const rtpp_message *message, rtpp_bytes flags);
/* The same without waiting: 0 and the transaction is suspended, or what can be said at once. */
RTPP_API rtpp_code rtpp_offer_async(
        rtpp_module *module, const rtpp_message *message, rtpp_bytes flags, rtpp_bytes address);
RTPP_API rtpp_code rtpp_answer_async(
        rtpp_module *module, const rtpp_message *message, rtpp_bytes flags, rtpp_bytes address);
RTPP_API rtpp_code rtpp_manage_async(
        rtpp_module *module, const rtpp_message *message, rtpp_bytes flags, rtpp_bytes address);
/* Suspends nothing: 1 once the deletion is handed over. */
RTPP_API rtpp_code rtpp_delete_async(rtpp_module *module, const rtpp_message *message, rtpp_bytes flags);
/* The route of a transaction that waited is about to run, with `message`: what was chosen for it holds again. */
RTPP_API void rtpp_goes_on(rtpp_module *module, const rtpp_message *message, const void *record);
/* Carries a deletion out that `postpone` has kept. The record is no longer the host's. */
RTPP_API void rtpp_delete_postponed(rtpp_module *module, void *record);
/* What came of a record that `resume` had handed over: RTPP_TAKEN or RTPP_GONE. It is no longer the host's. */
RTPP_API void rtpp_resumed(rtpp_module *module, void *record, rtpp_resumption resumption);
/* A record that `resume` or `resume_again` had handed over is held up where it is: its asynchronous process will try
 * again. false: it cannot be told, the record is still the host's. */
RTPP_API bool rtpp_held_up(rtpp_module *module, void *record);
/* Begins a dialog that the module looks after: checks what is given, and writes what its variable is to hold. Nobody is
 * asked. `of_branch`: of a branch alone, whose session has a name of its own. */
RTPP_API rtpp_code rtpp_engage(rtpp_module *module, const rtpp_message *message, rtpp_bytes flags, rtpp_bytes address,
        bool of_branch, uint8_t *text, size_t capacity, size_t *length);
/* Reads that again; what is read is borrowed from the text. RTPP_BAD_ARGUMENT: it is no such text. */
RTPP_API rtpp_status rtpp_read_engagement(rtpp_bytes text, rtpp_engagement *engagement);
/* Writes that again with the URL of the node that has the call. RTPP_NO_VALUE: it says so already, or no node can be
 * written down. RTPP_TOO_SMALL. */
RTPP_API rtpp_status rtpp_engagement_at(
        rtpp_bytes text, rtpp_bytes node, uint8_t *output, size_t capacity, size_t *length);
/* A message of such a dialog passes, with its engagement: what it asks for is done. */
RTPP_API rtpp_code rtpp_engaged(rtpp_module *module, const rtpp_message *message);
/* The same for the first message without waiting: 0 and its transaction is suspended, or what can be said at once. */
RTPP_API rtpp_code rtpp_engaged_async(rtpp_module *module, const rtpp_message *message);
/* The dialog ends: its session is deleted. */
RTPP_API rtpp_code rtpp_end_engagement(rtpp_module *module, const rtpp_message *message);
/* The same later, in another process: a record for rtpp_delete_postponed or `take_deletion`. NULL: logged. */
RTPP_API void *rtpp_end_engagement_later(rtpp_module *module, const rtpp_message *message);
/* Selects the set for the rest of this message's processing. */
RTPP_API rtpp_code rtpp_select_set(rtpp_module *module, const rtpp_message *message, int64_t set_id);
/* The same with the text of a variable: digits. */
RTPP_API rtpp_code rtpp_select_set_text(rtpp_module *module, const rtpp_message *message, rtpp_bytes text);
/* Play `prompt` `count` times (-1: without end) to the caller's side (`to_uas` false) or the callee's. */
RTPP_API rtpp_code rtpp_play(
        rtpp_module *module, const rtpp_message *message, rtpp_bytes prompt, int64_t count, bool to_uas);
RTPP_API rtpp_code rtpp_stop_play(rtpp_module *module, const rtpp_message *message, bool to_uas);
RTPP_API rtpp_code rtpp_record(rtpp_module *module, const rtpp_message *message);
/* The statistics of the call as RTPProxy gives them, without line end. RTPP_NO_VALUE, RTPP_TOO_SMALL. */
RTPP_API rtpp_status rtpp_statistics(
        rtpp_module *module, const rtpp_message *message, uint8_t *output, size_t capacity, size_t *length);
/* The number of a figure of a call's media, for rtpp_figure; -1: there is none of this name. Before the fork it says
 * that the script asks for figures, so that RTPProxies are asked which ones they know; `name` absent says it, too. */
RTPP_API int32_t rtpp_figure_index(rtpp_module *module, rtpp_bytes name);

/* A figure as text and, where it is a whole number, as that. */
typedef struct rtpp_figure_value {
    uint8_t text[32];
    size_t length;
    bool is_whole;
    int64_t number;
} rtpp_figure_value;

/* The figure over all streams of the call. Asked for once per message. RTPP_NO_VALUE. */
RTPP_API rtpp_status rtpp_figure(
        rtpp_module *module, const rtpp_message *message, int32_t index, rtpp_figure_value *value);

#endif
