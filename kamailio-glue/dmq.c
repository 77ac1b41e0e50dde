/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages between hosts that share calls: by Kamailio's module dmq, whose structures are known here alone.
 *
 * A message is the body of a request KDMQ. It comes to a process of dmq, and the answer to a question is the body of the
 * 200, which comes to a SIP worker. What they say is not looked at here. */

#include "glue.h"

#include "core/parser/parse_uri.h"

#include "modules/dmq/bind_dmq.h"

static dmq_api_t dmq;
static dmq_peer_t *own = NULL;

static str content_type = str_init("application/x-rtpproxy-calls");
static str ok = str_init("OK");
static str refused = str_init("Not understood");
static str unknown = str_init("Unknown sender");
static str too_many = str_init("Too many hosts");

/* Where an answer is written. */
static uint8_t answer[RTPP_FLEET_SIZE];

static rtpp_bytes body_of(struct sip_msg *msg)
{
	rtpp_bytes body = {NULL, 0};

	if(msg == NULL || msg == FAKED_REPLY)
		return body;
	body.data = (const uint8_t *)get_body(msg);
	if(body.data != NULL)
		body.length = (size_t)(msg->buf + msg->len - (const char *)body.data);
	return body;
}

static int receive(struct sip_msg *msg, peer_reponse_t *response, dmq_node_t *sender)
{
	size_t length = 0;
	rtpp_bytes address;
	rtpp_status status;

	if(sender == NULL) {
		/* One that dmq does not know (yet). */
		response->resp_code = 403;
		response->reason = unknown;
		return 0;
	}
	address = glue_bytes_of(&sender->orig_uri);
	status = rtpp_fleet_message(glue_instance, address, body_of(msg), answer, sizeof(answer), &length);
	if(status != RTPP_OK) {
		response->resp_code = status == RTPP_BUSY ? 503 : 400;
		response->reason = status == RTPP_BUSY ? too_many : refused;
		return 0;
	}
	if(length > 0) {
		/* dmq frees it. */
		response->body.s = pkg_malloc(length);
		if(response->body.s == NULL) {
			PKG_MEM_ERROR;
			return -1;
		}
		memcpy(response->body.s, answer, length);
		response->body.len = (int)length;
		response->content_type = content_type;
	}
	response->resp_code = 200;
	response->reason = ok;
	return 0;
}

/* What has become of a message that was sent. */
static int replied(struct sip_msg *msg, int code, dmq_node_t *receiver, void *tag)
{
	(void)receiver;
	if(tag != NULL)
		rtpp_fleet_answer(
				glue_instance, (uint64_t)(uintptr_t)tag, code == 200, code == 200 ? body_of(msg) : glue_bytes_of(NULL));
	return 0;
}

/* Whether it was there when this module was loaded: it is initialised first then. */
static bool is_first = false;

void glue_dmq_look(void)
{
	is_first = module_loaded("dmq");
}

int glue_dmq_check(void)
{
	if(!rtpp_shares_calls(glue_instance) || is_first)
		return 0;
	glue_journal_fault(
			module_loaded("dmq")
					? "parameter rtpproxy_dmq: the module dmq comes too late: loadmodule \"dmq.so\" before rtpproxy.so"
					: "parameter rtpproxy_dmq: the module dmq is not loaded: loadmodule \"dmq.so\" before rtpproxy.so, "
					  "and set its server_address and notification_address");
	return -1;
}

int glue_dmq_init(void)
{
	dmq_peer_t peer;

	memset(&peer, 0, sizeof(peer));
	peer.peer_id.s = "rtpproxy";
	peer.peer_id.len = 8;
	peer.description.s = "rtpproxy: which RTPProxy has which call";
	peer.description.len = (int)strlen(peer.description.s);
	peer.callback = receive;
	if(dmq_load_api(&dmq) < 0 || (own = dmq.register_dmq_peer(&peer)) == NULL) {
		LM_ERR("parameter rtpproxy_dmq: the module dmq takes nobody's messages\n");
		return -1;
	}
	return 0;
}

void glue_dmq_broadcast(rtpp_bytes message)
{
	dmq_resp_cback_t callback = {replied, NULL};
	str body = {(char *)message.data, (int)message.length};

	dmq.bcast_message(own, &body, NULL, &callback, 1, &content_type);
}

void glue_dmq_send(rtpp_bytes message, rtpp_bytes address, uint64_t tag)
{
	dmq_resp_cback_t callback = {replied, (void *)(uintptr_t)tag};
	str body = {(char *)message.data, (int)message.length};
	dmq_node_t receiver;

	/* Not dmq's own record: that may go at any time. */
	memset(&receiver, 0, sizeof(receiver));
	receiver.orig_uri.s = (char *)address.data;
	receiver.orig_uri.len = (int)address.length;
	if(parse_uri(receiver.orig_uri.s, receiver.orig_uri.len, &receiver.uri) < 0)
		return;
	dmq.send_message(own, &body, &receiver, &callback, 1, &content_type);
}
