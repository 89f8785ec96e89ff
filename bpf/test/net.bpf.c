// SPDX-License-Identifier: GPL-2.0-only
/*
 * What attaches to an interface: each program adds 1 to its row of `hits` for a frame of the local
 * experimental Ethertype, which nobody else sends, and lets every frame pass.
 */
#include "../include/core.h"

#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>

#define EXPERIMENTAL 0x88b5

enum program {
	XDP,
	XDP_FRAGS,
	TC_INGRESS,
	TC_EGRESS,
	TC,
	PROGRAMS,
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PROGRAMS);
	__type(key, u32);
	__type(value, u64);
} hits SEC(".maps");

static __always_inline void hit(u32 program)
{
	u64 *count = bpf_map_lookup_elem(&hits, &program);

	if (count)
		__sync_fetch_and_add(count, 1);
}

static __always_inline void frame(struct xdp_md *ctx, u32 program)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *header = (void *)(long)ctx->data;

	if ((void *)(header + 1) <= end && header->h_proto == bpf_htons(EXPERIMENTAL))
		hit(program);
}

static __always_inline void buffer(struct __sk_buff *skb, u32 program)
{
	if (skb->protocol == bpf_htons(EXPERIMENTAL))
		hit(program);
}

SEC("xdp")
int on_xdp(struct xdp_md *ctx)
{
	frame(ctx, XDP);
	return XDP_PASS;
}

SEC("xdp.frags")
int on_frags(struct xdp_md *ctx)
{
	frame(ctx, XDP_FRAGS);
	return XDP_PASS;
}

SEC("tc/ingress")
int on_ingress(struct __sk_buff *skb)
{
	buffer(skb, TC_INGRESS);
	return TC_ACT_UNSPEC;
}

SEC("tcx/egress")
int on_egress(struct __sk_buff *skb)
{
	buffer(skb, TC_EGRESS);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int on_either(struct __sk_buff *skb)
{
	buffer(skb, TC);
	return TC_ACT_UNSPEC;
}

SEC("action")
int on_action(struct __sk_buff *skb)
{
	return TC_ACT_OK;
}

SEC("xdp/devmap")
int on_devmap(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("xdp/cpumap")
int on_cpumap(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
