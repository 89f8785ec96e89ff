// SPDX-License-Identifier: GPL-2.0
/*
 * u8 is a typedef of the kernel and, with another base, of a library within it: it has two ids.
 */
#include "core_types.h"

typedef __u8 u8;

SEC("raw_tp/sched_process_exit")
int ambiguous(void *ctx)
{
	sink = bpf_core_type_size(u8);
	sink = bpf_core_type_id_kernel(u8);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
