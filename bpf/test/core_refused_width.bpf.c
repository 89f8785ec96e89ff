// SPDX-License-Identifier: GPL-2.0
/* A load of half a field whose width is another in the kernel. */
#include "core_types.h"

struct task_struct___width {
	__u64 flags;
} KERNEL;

SEC("tp_btf/sched_process_exit")
int refused(__u64 *ctx)
{
	struct task_struct___width *task = (void *)ctx[0];

	sink = *(volatile __u32 *)__builtin_preserve_access_index(&task->flags);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
