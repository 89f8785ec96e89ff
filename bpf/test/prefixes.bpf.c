// SPDX-License-Identifier: GPL-2.0-only
/* Sections that other loaders take by their prefix, and libbpf refuses. */
#include "hits.h"

#include <linux/if_ether.h>

enum row {
	SOCKET,
	CLASSIFIER,
	XDP,
	PERF_EVENT,
};

SEC("socket1")
int on_frame(struct __sk_buff *skb)
{
	frame(skb, SOCKET);
	return 0; /* keep nothing */
}

SEC("classifier/stats")
int on_packet(struct __sk_buff *skb)
{
	frame(skb, CLASSIFIER);
	return 0; /* TC_ACT_OK */
}

SEC("xdp/wire-b")
int on_xdp(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;

	if ((void *)(eth + 1) <= (void *)(long)ctx->data_end &&
	    eth->h_proto == bpf_htons(EXPERIMENTAL))
		hit(XDP);
	return XDP_PASS;
}

SEC("perf_event/type=1,config=0,frequency=999") /* cpu-clock */
int on_sample(void *ctx)
{
	hit(PERF_EVENT);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
