/* SPDX-License-Identifier: GPL-2.0-only */
/* Programs that count how often they run: each adds 1 to its own row of `hits`. */
#ifndef BEEPY_HITS_H
#define BEEPY_HITS_H

#include "../include/core.h"

#include <bpf/bpf_endian.h>

#define EXPERIMENTAL 0x88b5 /* the local experimental Ethertype: nobody but a test sends it */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 32);
	__type(key, u32);
	__type(value, u64);
} hits SEC(".maps");

static __always_inline void hit(u32 row)
{
	u64 *count = bpf_map_lookup_elem(&hits, &row);

	if (count)
		__sync_fetch_and_add(count, 1);
}

static __always_inline void frame(struct __sk_buff *skb, u32 row)
{
	if (skb->protocol == bpf_htons(EXPERIMENTAL))
		hit(row);
}

#endif
