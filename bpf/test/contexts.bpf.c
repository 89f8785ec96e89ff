// SPDX-License-Identifier: GPL-2.0-only
/* Global functions that are told by a tag that an argument is the context: kernels before 6.8 know
 * it by name alone.
 */
#include "../include/core.h"

#define __context __attribute__((btf_decl_tag("arg:ctx")))

u64 lengths;
u64 pids;

__noinline __attribute__((used)) int length(u64 weight, void *skb __context)
{
	lengths += weight * ((struct __sk_buff *)skb)->len;
	return 0;
}

/* of programs of two types */
__noinline __attribute__((used)) int count(void *ctx __context)
{
	if (!ctx)
		return 1;
	__sync_fetch_and_add(&pids, 1);
	return 0;
}

SEC("socket")
int on_packet(struct __sk_buff *skb)
{
	return count(skb) + length(2, skb);
}

SEC("raw_tp/sys_enter")
int on_entry(struct bpf_raw_tracepoint_args *ctx)
{
	return count(ctx);
}

SEC("tracepoint/syscalls/sys_enter_prctl")
int on_prctl(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
