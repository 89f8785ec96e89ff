// SPDX-License-Identifier: GPL-2.0
/*
 * A missing field that is read without asking: the relocation is poisoned, and the verifier
 * refuses the program.
 */
#include "core_types.h"

struct task_struct___old {
	int pid;
	int no_such_field;
} KERNEL;

SEC("tp_btf/sched_process_exit")
int reached(__u64 *ctx)
{
	struct task_struct___old *task = (void *)ctx[0];

	sink = task->pid;
	sink = task->no_such_field;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
