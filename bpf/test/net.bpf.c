// SPDX-License-Identifier: GPL-2.0-only
/* What attaches to an interface: frames are counted, and pass. */
#include "hits.h"

#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

enum row {
	XDP,
	XDP_FRAGS,
	TC,
};

static __always_inline int arrived(struct xdp_md *ctx, u32 row)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *header = (void *)(long)ctx->data;

	if ((void *)(header + 1) <= end && header->h_proto == bpf_htons(EXPERIMENTAL))
		hit(row);
	return XDP_PASS;
}

SEC("xdp")
int on_xdp(struct xdp_md *ctx)
{
	return arrived(ctx, XDP);
}

SEC("xdp.frags")
int on_frags(struct xdp_md *ctx)
{
	return arrived(ctx, XDP_FRAGS);
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

SEC("tc")
int on_either(struct __sk_buff *skb)
{
	frame(skb, TC);
	return TC_ACT_UNSPEC;
}

SEC("action")
int on_action(struct __sk_buff *skb)
{
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
