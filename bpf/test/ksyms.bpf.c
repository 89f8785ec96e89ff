// SPDX-License-Identifier: GPL-2.0-only
/* Symbols of the kernel: by address, and functions; weak ones that no kernel has. */
#include "check.h"

struct task_struct;

extern const void tcp_v4_connect __ksym;
extern const void no_such_symbol __ksym __weak;
extern const int no_such_variable __ksym __weak;

extern struct task_struct *bpf_task_acquire(struct task_struct *p) __ksym;
extern void bpf_task_release(struct task_struct *p) __ksym;
extern void no_such_kfunc(struct task_struct *p) __ksym __weak;
extern struct task_struct *bpf_task_acquire___other(struct task_struct *p, int more) __ksym __weak;

u64 address;
u64 missing;
u32 acquired;
u32 released;

SEC("tp_btf/sched_process_exit")
int kfuncs(u64 *ctx)
{
	struct task_struct *task = (struct task_struct *)ctx[0];
	struct task_struct *own;

	if (bpf_task_acquire___other)
		own = bpf_task_acquire___other(task, 1);
	else
		own = bpf_task_acquire(task);
	if (no_such_kfunc)
		no_such_kfunc(task);
	if (!own)
		return 0;
	__sync_fetch_and_add(&acquired, 1);
	bpf_task_release(own);
	__sync_fetch_and_add(&released, 1);
	return 0;
}

SEC("raw_tp/sched_process_exit")
int symbols(void *ctx)
{
	address = (u64)&tcp_v4_connect;
	missing = (u64)&no_such_symbol + (u64)&no_such_variable;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
