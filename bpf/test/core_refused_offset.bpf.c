// SPDX-License-Identifier: GPL-2.0
/* Two structs of one name place a member differently: libbpf refuses to choose. */
#include "core_types.h"

struct workspace {
	int level;
} KERNEL;

SEC("raw_tp/sched_process_exit")
int ambiguous(void *ctx)
{
	sink = bpf_core_type_exists(struct workspace);
	sink = bpf_core_field_offset(struct workspace, level);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
