// SPDX-License-Identifier: GPL-2.0-only
/*
 * A gadget with iterators that write structs: of tasks, and of TCP and UDP sockets (one iterator of
 * two programs). A program looks sockets up that nothing fills in.
 */
#include "gadget.h"

struct seq_file;

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct sock_common {
	u16 skc_num;
};

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
};

struct udp_sock;

struct bpf_iter__udp {
	struct bpf_iter_meta *meta;
	struct udp_sock *udp_sk;
};

struct gadget_socket_value {
	u64 mntns;
	u64 pid_tgid;
	char task[TASK_COMM_LEN];
	u32 ptid;
	char cwd[64];
};

#pragma clang attribute pop

struct task {
	gadget_comm comm[TASK_COMM_LEN];
	gadget_pid pid;
	gadget_tid tid;
};

struct socket {
	u16 port;
	u8 udp;
	u8 __pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, u32);
	__type(value, struct gadget_socket_value);
} gadget_sockets SEC(".maps");

SAYS(snapshotter_tasks___task___tasks);
SAYS(iter_sockets___socket___tcp___udp);
const struct task *type_of_tasks __attribute__((unused));
const struct socket *type_of_sockets __attribute__((unused));

SEC("iter/task")
int tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct task entry = {};

	if (!task)
		return 0;
	entry.pid = task->tgid;
	entry.tid = task->pid;
	bpf_probe_read_kernel_str(entry.comm, sizeof(entry.comm), task->comm);
	bpf_seq_write(ctx->meta->seq, &entry, sizeof(entry));
	return 0;
}

SEC("iter/tcp")
int tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *socket = ctx->sk_common;
	struct socket entry = {};

	if (!socket)
		return 0;
	entry.port = socket->skc_num;
	bpf_seq_write(ctx->meta->seq, &entry, sizeof(entry));
	return 0;
}

SEC("iter/udp")
int udp(struct bpf_iter__udp *ctx)
{
	struct socket entry = { .udp = 1 };

	if (ctx->udp_sk)
		bpf_seq_write(ctx->meta->seq, &entry, sizeof(entry));
	return 0;
}

u64 seen, cwd_exists, ptid_exists;

TRIGGER_SEC
int enter(struct trace_event_raw_sys_enter *ctx)
{
	struct gadget_socket_value *value;
	u32 key = ctx->args[1];

	if (!triggered(ctx))
		return 0;
	value = bpf_map_lookup_elem(&gadget_sockets, &key);
	cwd_exists = bpf_core_field_exists(value->cwd);
	ptid_exists = bpf_core_field_exists(value->ptid);
	if (value)
		seen = value->pid_tgid >> 32;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
