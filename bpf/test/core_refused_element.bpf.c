// SPDX-License-Identifier: GPL-2.0
/* The sign of an array's element: clang asks, libbpf does not answer. */
#include "core_types.h"

SEC("raw_tp/sched_process_exit")
int refused(void *ctx)
{
	sink = bpf_core_field_size(struct task_struct, comm[1]);
	sink = __builtin_preserve_field_info(((struct task_struct *)0)->comm[2], BPF_FIELD_SIGNED);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
