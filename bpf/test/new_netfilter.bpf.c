// SPDX-License-Identifier: GPL-2.0-only
/* A netfilter hook (libbpf 1.2) that counts packets and accepts them all. */
#include "hits.h"

#define NF_ACCEPT 1

struct bpf_nf_ctx;

SEC("netfilter")
int on_packet(struct bpf_nf_ctx *ctx)
{
	hit(0);
	return NF_ACCEPT;
}

char LICENSE[] SEC("license") = "GPL";
