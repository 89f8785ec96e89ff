// SPDX-License-Identifier: GPL-2.0-only
/* Another program's function, replaced: see replaceable.bpf.c. */
#include "hits.h"

SEC("freplace/part")
int other(struct __sk_buff *skb)
{
	hit(0);
	return 2;
}

char LICENSE[] SEC("license") = "GPL";
