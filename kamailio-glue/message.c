/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a call needs out of a sip_msg. */

#include "glue.h"

#include "core/fmsg.h"

#include "modules/tm/tm_load.h"

static rtpp_method method_of(int id)
{
	switch(id) {
		case METHOD_INVITE:
			return RTPP_METHOD_INVITE;
		case METHOD_ACK:
			return RTPP_METHOD_ACK;
		case METHOD_BYE:
			return RTPP_METHOD_BYE;
		case METHOD_CANCEL:
			return RTPP_METHOD_CANCEL;
		case METHOD_UPDATE:
			return RTPP_METHOD_UPDATE;
		case METHOD_PRACK:
			return RTPP_METHOD_PRACK;
		default:
			return RTPP_METHOD_OTHER;
	}
}

/* For the core, a request that goes on after a suspension is in a failure route. A request has not failed if this
 * module had suspended it, or any module in a request route. */
static rtpp_route current_route(const struct sip_msg *msg)
{
	int route = get_route_type();

	if(msg == glue_resumed_message())
		return RTPP_ROUTE_OTHER;
	if(route & BRANCH_FAILURE_ROUTE)
		return RTPP_ROUTE_BRANCH_FAILURE;
	return (route & FAILURE_ROUTE) && !glue_tm_is_continued_request() ? RTPP_ROUTE_FAILURE : RTPP_ROUTE_OTHER;
}

static rtpp_bytes branch_of(struct via_body *via)
{
	if(via == NULL || via->branch == NULL)
		return glue_bytes_of(NULL);
	return glue_bytes_of(&via->branch->value);
}

/* Where the message came in: the address of its socket or, where that is a wildcard, the local address of its
 * connection. A datagram has none: then it is the wildcard. */
static rtpp_bytes received_on(struct sip_msg *msg)
{
	static char text[IP_ADDR_MAX_STR_SIZE];
	struct socket_info *socket = msg->rcv.bind_address;
	struct ip_addr *local = &msg->rcv.dst_ip;

	if((socket == NULL || ip_addr_any(&socket->address)) && (local->af == AF_INET || local->af == AF_INET6)
			&& !ip_addr_any(local)) {
		snprintf(text, sizeof(text), "%s", ip_addr2a(local));
		return glue_bytes_of_cstring(text);
	}
	return glue_bytes_of(socket != NULL ? &socket->address_str : NULL);
}

/* What stands behind ";branch=" in the first Via of a request that was sent. */
static rtpp_bytes branch_of_sent(const char *text, int length)
{
	static const char via[] = "\nVia: ", name[] = ";branch=";
	const char *end = text + length, *start = memmem(text, (size_t)length, via, sizeof(via) - 1);
	str branch = {NULL, 0};

	if(start != NULL)
		start = memmem(start, (size_t)(end - start), name, sizeof(name) - 1);
	if(start != NULL) {
		branch.s = (char *)start + sizeof(name) - 1;
		while(branch.s + branch.len < end && strchr(";, \r\n", branch.s[branch.len]) == NULL)
			branch.len++;
	}
	return glue_bytes_of(&branch);
}

/* The branch of the Via that tm puts on top: in a branch route as it is going to be, where a branch has failed as it
 * was sent. Its replies bear it in their first Via. */
static rtpp_bytes own_branch_of(struct sip_msg *msg)
{
	struct cell *transaction;
	int branch;

	if(get_route_type() & BRANCH_ROUTE) {
		str text = {msg->add_to_branch_s, msg->add_to_branch_len};

		return glue_bytes_of(text.len > 0 ? &text : NULL);
	}
	if(!(get_route_type() & BRANCH_FAILURE_ROUTE) || (transaction = glue_current_transaction()) == NULL)
		return glue_bytes_of(NULL);
	branch = glue_tm()->t_gett_branch();
	if(branch < 0 || branch >= transaction->nr_of_outgoings || transaction->uac[branch].request.buffer == NULL)
		return glue_bytes_of(NULL);
	return branch_of_sent(transaction->uac[branch].request.buffer, transaction->uac[branch].request.buffer_len);
}

static bool is_websocket(int protocol)
{
	return protocol == PROTO_WS || protocol == PROTO_WSS;
}

/* Whether a URI names WebSocket as its transport, as those do that such clients register (RFC 7118 section 5.2). */
static bool names_websocket(const str *text)
{
	struct sip_uri uri;

	return text->len > 0 && parse_uri(text->s, text->len, &uri) == 0 && is_websocket(uri.proto);
}

bool glue_message_goes_to_websocket(void *context)
{
	struct sip_msg *msg = context;

	if(msg->first_line.type != SIP_REQUEST)
		return msg->via2 != NULL && is_websocket(msg->via2->proto);
	return names_websocket(GET_RURI(msg)) || names_websocket(&msg->dst_uri);
}

void glue_message_init(rtpp_message *out, struct sip_msg *msg)
{
	static char source[IP_ADDR_MAX_STR_SIZE];
	const char *text;
	size_t length = 0;
	char *body;

	memset(out, 0, sizeof(*out));
	out->context = msg;
	out->id = msg->id;
	out->process = msg->pid;
	out->content_length = -1;
	out->is_request = msg->first_line.type == SIP_REQUEST;
	out->route = current_route(msg);

	/* Parses every header, once: what follows only reads. */
	body = get_body(msg);
	if(body != NULL && body < msg->buf + msg->len) {
		out->has_body = true;
		out->body.data = (const uint8_t *)body;
		out->body.length = (size_t)(msg->buf + msg->len - body);
	}
	if(out->is_request) {
		out->method = method_of(msg->REQ_METHOD);
	} else {
		out->status = (int32_t)msg->REPLY_STATUS;
		if(msg->cseq != NULL && msg->cseq->parsed != NULL)
			out->method = method_of(get_cseq(msg)->method_id);
	}
	if(msg->callid != NULL)
		out->call_id = glue_bytes_of(&msg->callid->body);
	if(parse_from_header(msg) == 0 && get_from(msg) != NULL)
		out->from_tag = glue_bytes_of(&get_from(msg)->tag_value);
	if(parse_to_header(msg) == 0 && get_to(msg) != NULL)
		out->to_tag = glue_bytes_of(&get_to(msg)->tag_value);
	out->via1_branch = branch_of(msg->via1);
	out->via2_branch = branch_of(msg->via2);
	if(out->is_request)
		out->own_branch = own_branch_of(msg);
	out->is_made_up = faked_msg_match(msg) != 0;
	if(msg->content_type != NULL)
		out->content_type = glue_bytes_of(&msg->content_type->body);
	if(msg->content_length != NULL)
		out->content_length = get_content_length(msg);

	text = ip_addr2a(&msg->rcv.src_ip);
	if(text != NULL) {
		/* What is returned is used again for the next address. */
		length = strnlen(text, sizeof(source));
		memcpy(source, text, length);
	}
	out->source.data = (const uint8_t *)source;
	out->source.length = length;
	out->received = received_on(msg);
}
