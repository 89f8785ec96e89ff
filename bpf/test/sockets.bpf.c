// SPDX-License-Identifier: GPL-2.0-only
/* What attaches to sockets, maps of them, and namespaces: counted, and nothing is changed. */
#include "hits.h"

enum row {
	SOCKET,
	SK_LOOKUP,
	FLOW_DISSECTOR,
	STREAM_PARSER,
	STREAM_VERDICT,
	SK_MSG,
};

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 4);
	__type(key, u32);
	__type(value, u32);
} connections SEC(".maps");

const volatile u32 verdict = SK_PASS; /* what becomes of messages */

SEC("socket")
int on_frame(struct __sk_buff *skb)
{
	frame(skb, SOCKET);
	return 0; /* keep nothing */
}

SEC("sk_lookup")
int on_lookup(struct bpf_sk_lookup *ctx)
{
	hit(SK_LOOKUP);
	return SK_PASS;
}

SEC("flow_dissector")
int on_flow(struct __sk_buff *skb)
{
	hit(FLOW_DISSECTOR);
	return BPF_OK;
}

SEC("sk_skb/stream_parser")
int on_stream(struct __sk_buff *skb)
{
	hit(STREAM_PARSER);
	return skb->len;
}

SEC("sk_skb/stream_verdict")
int on_message(struct __sk_buff *skb)
{
	hit(STREAM_VERDICT);
	return verdict;
}

SEC("sk_msg")
int on_send(struct sk_msg_md *msg)
{
	hit(SK_MSG);
	return SK_PASS;
}

char LICENSE[] SEC("license") = "GPL";
