// SPDX-License-Identifier: GPL-2.0
/*
 * Relocations in subprograms: static and global, shared, a callback, two programs in a section,
 * one not loaded.
 */
#include "core_types.h"

struct task_struct___calls {
	int pid, tgid;
	int no_such_field;
} KERNEL;

static __attribute__((noinline)) int of_static(struct task_struct *task)
{
	int value = BPF_CORE_READ(task, exit_code);

	HIDE(value);
	return value + BPF_CORE_READ(task, real_parent, tgid);
}

static __attribute__((noinline)) int deeper(struct task_struct *task)
{
	int value = of_static(task);

	HIDE(value);
	return value + bpf_core_type_size(struct task_struct) +
	       BPF_CORE_READ(task, signal, group_exit_code);
}

__attribute__((noinline)) int of_global(int value)
{
	HIDE(value);
	if (bpf_core_field_exists(struct task_struct___calls, no_such_field))
		value += __builtin_preserve_field_info(
			((struct task_struct___calls *)0)->no_such_field, BPF_FIELD_BYTE_OFFSET);
	return value + bpf_core_field_offset(struct task_struct, signal);
}

static long callback(__u32 index, void *data)
{
	sink = index + bpf_core_field_size(struct task_struct, comm);
	return 0;
}

SEC("raw_tp/sched_process_exit")
int first(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];

	sink = BPF_CORE_READ(task, pid);
	sink = deeper(task);
	sink = of_global(1);
	return 0;
}

SEC("raw_tp/sched_process_exit")
int second(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];

	sink = of_static(task);
	sink = BPF_CORE_READ(task, tgid);
	bpf_loop(3, callback, 0, 0);
	return 0;
}

SEC("?raw_tp/sched_process_exit")
int not_loaded(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];

	sink = of_static(task);
	sink = BPF_CORE_READ(task, start_time);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
