// SPDX-License-Identifier: GPL-2.0-only
/* A netfilter hook (Linux 6.4) that counts packets and accepts them all. */
#include "../include/core.h"

#define NF_ACCEPT 1

struct bpf_nf_ctx {
	const void *state;
	void *skb;
};

u64 packets;

SEC("netfilter")
int on_packet(struct bpf_nf_ctx *ctx)
{
	__sync_fetch_and_add(&packets, 1);
	return NF_ACCEPT;
}

char LICENSE[] SEC("license") = "GPL";
