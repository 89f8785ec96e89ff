// SPDX-License-Identifier: GPL-2.0
/*
 * Loads that are relocated themselves (LDX), pointers followed, bitfields by
 * BPF_CORE_READ_BITFIELD.
 */
#include "core_types.h"

SEC("tp_btf/sched_process_exit")
int loads(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];

	sink = task->pid;
	sink = task->tgid;
	sink = task->exit_code;
	sink = task->comm[0];
	sink = task->comm[15];
	sink = task->flags;
	sink = task->start_time;
	sink = task->se.vruntime;
	sink = task->migration_disabled;
	sink = task->cred->euid.val;
	sink = task->real_parent->tgid;
	sink = task->real_parent->real_parent->pid;
	sink = task->group_leader->start_time;
	sink = task->signal->group_exit_code;
	sink = task->signal->oom_flag_origin;
	sink = task->signal->sum_sched_runtime;
	return 0;
}

SEC("tp_btf/sched_process_exit")
int bitfields(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];

	sink = BPF_CORE_READ_BITFIELD(task, in_iowait);
	sink = BPF_CORE_READ_BITFIELD(task, sched_reset_on_fork);
	sink = BPF_CORE_READ_BITFIELD(task, in_execve);
	return 0;
}

SEC("tp_btf/kfree_skb")
int packet(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];

	sink = skb->len;
	sink = skb->data_len;
	sink = skb->protocol;
	sink = skb->mark;
	sink = skb->cb[3];
	sink = BPF_CORE_READ_BITFIELD(skb, pkt_type);
	sink = BPF_CORE_READ_BITFIELD(skb, ip_summed);
	return 0;
}

SEC("raw_tp/sched_process_exit")
int probed(__u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	char name[16];

	sink = BPF_CORE_READ(task, real_parent, real_parent, tgid);
	sink = BPF_CORE_READ(task, cred, uid.val);
	sink = (__u64)BPF_CORE_READ(task, signal, thread_head.next, prev);
	sink = BPF_CORE_READ_BITFIELD_PROBED(task, in_iowait);
	sink = BPF_CORE_READ_BITFIELD_PROBED(task, sched_contributes_to_load);
	BPF_CORE_READ_STR_INTO(&name, task, group_leader, comm);
	sink = name[0];
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
