// SPDX-License-Identifier: GPL-2.0
/* A member further away than the 15 bits of a load's offset. */
#include "core_types.h"

struct pglist_data {
	int nr_zones;
} KERNEL;

SEC("tp_btf/sched_process_exit")
int refused(__u64 *ctx)
{
	struct pglist_data *node = (void *)ctx[1];

	sink = bpf_core_field_offset(struct pglist_data, nr_zones);
	sink = node->nr_zones;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
