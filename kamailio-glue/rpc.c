/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The RPC commands rtpproxy.list and rtpproxy.enable. */

#include "glue.h"

static const char *list_doc[] = {"Lists every RTPProxy: set, URL, index, disabled, weight, tick of the next try", NULL};
static const char *enable_doc[] = {"Enables (1) or disables (0) every RTPProxy with the URL given", NULL};

static void rpc_list(rpc_t *rpc, void *context)
{
	size_t count = rtpp_node_count(rtpp_instance);
	size_t i;

	for(i = 0; i < count; i++) {
		rtpp_node_info node;
		void *entry;
		str url;

		if(rtpp_node(rtpp_instance, i, &node) != RTPP_OK)
			continue;
		url.s = (char *)node.url.data;
		url.len = (int)node.url.length;
		if(rpc->add(context, "{", &entry) < 0
				|| rpc->struct_add(entry, "dSdddd", "setid", (int)node.set_id, "url", &url, "index", (int)node.index,
						   "disabled", node.disabled ? 1 : 0, "weight", (int)node.weight, "recheck", (int)node.recheck)
						   < 0) {
			rpc->fault(context, 500, "Internal error creating the answer");
			return;
		}
	}
}

static void rpc_enable(rpc_t *rpc, void *context)
{
	str url;
	int enabled;

	if(rpc->scan(context, "Sd", &url, &enabled) < 2) {
		rpc->fault(context, 500, "Not enough parameters");
		return;
	}
	if(rtpp_enable(rtpp_instance, rtpp_bytes_of(&url), enabled > 0) != RTPP_OK)
		rpc->fault(context, 404, "RTPProxy not found");
}

rpc_export_t rtpp_rpc[] = {
		{"rtpproxy.list", rpc_list, list_doc, RET_ARRAY},
		{"rtpproxy.enable", rpc_enable, enable_doc, 0},
		{0, 0, 0, 0},
};
