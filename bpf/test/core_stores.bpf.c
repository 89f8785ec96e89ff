// SPDX-License-Identifier: GPL-2.0
/*
 * Stores that are relocated themselves (STX, and ST where the compiler has it): no kernel lets
 * these programs load.
 */
#include "core_types.h"

SEC("tp_btf/sched_process_exit")
int stores(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	__u64 value = ctx[1];

	task->pid = value;
	task->flags = value;
	task->comm[3] = value;
	task->start_time = value;
	task->migration_disabled = value;
	task->real_parent->tgid = value;
	task->signal->sum_sched_runtime = value;
	return 0;
}

SEC("tp_btf/sched_process_exit")
int constants(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];

	task->tgid = 1;
	task->policy = 2;
	task->comm[4] = 3;
	task->utime = 4;
	task->mm = 0;
	task->migration_disabled = 5;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
