// SPDX-License-Identifier: GPL-2.0-only
/* The verifier must refuse it: a look-up's answer is read without asking whether there is one. */
#include "../include/core.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} table SEC(".maps");

SEC("raw_tp/sched_process_exit")
int err_null(void *ctx)
{
	u32 key = 1;
	u64 *value = bpf_map_lookup_elem(&table, &key);

	return *value; /* refused here */
}

char LICENSE[] SEC("license") = "GPL";
