// SPDX-License-Identifier: GPL-2.0-only
/* Every file that is opened, or could not be. */
#include "include/core.h"

struct event {
	u32 pid;
	u32 uid;
	int ret; /* file descriptor, or -errno */
	int flags;
	char comm[TASK_COMM_LEN];
	char fname[256];
};

struct request {
	const char *fname;
	int flags;
};

const volatile bool trace_failed_only = false;
const volatile int target_pid = 0;
const volatile u32 target_uid = -1; /* -1: all */

/* What a thread asked for, until the kernel answers. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, u32);
	__type(value, struct request);
} requests SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
	__type(value, struct event);
} print_opens SEC(".maps");

static __always_inline int enter(const char *fname, int flags)
{
	u64 id = bpf_get_current_pid_tgid();
	struct request request = { .fname = fname, .flags = flags };
	u32 tid = (u32)id;

	if (target_pid && target_pid != id >> 32)
		return 0;
	if (target_uid != -1 && target_uid != (u32)bpf_get_current_uid_gid())
		return 0;
	bpf_map_update_elem(&requests, &tid, &request, BPF_ANY);
	return 0;
}

/* The name is read here, not on entry: its page is in memory now. */
static __always_inline int leave(long ret)
{
	u64 id = bpf_get_current_pid_tgid();
	struct request *request;
	struct event *event;
	u32 tid = (u32)id;

	request = bpf_map_lookup_elem(&requests, &tid);
	if (!request)
		return 0;
	if (trace_failed_only && ret >= 0)
		goto out;
	event = bpf_ringbuf_reserve(&print_opens, sizeof(*event), 0);
	if (!event)
		goto out;

	event->pid = id >> 32;
	event->uid = bpf_get_current_uid_gid();
	event->ret = ret;
	event->flags = request->flags;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	if (bpf_probe_read_user_str(event->fname, sizeof(event->fname), request->fname) < 0)
		event->fname[0] = 0;
	bpf_ringbuf_submit(event, 0);
out:
	bpf_map_delete_elem(&requests, &tid);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_open")
int enter_open(struct trace_event_raw_sys_enter *ctx)
{
	return enter((const char *)ctx->args[0], ctx->args[1]);
}

SEC("tracepoint/syscalls/sys_enter_openat")
int enter_openat(struct trace_event_raw_sys_enter *ctx)
{
	return enter((const char *)ctx->args[1], ctx->args[2]);
}

SEC("tracepoint/syscalls/sys_enter_openat2")
int enter_openat2(struct trace_event_raw_sys_enter *ctx)
{
	u64 flags = 0;

	bpf_probe_read_user(&flags, sizeof(flags), (void *)ctx->args[2]); /* the first member */
	return enter((const char *)ctx->args[1], flags);
}

SEC("tracepoint/syscalls/sys_exit_open")
int exit_open(struct trace_event_raw_sys_exit *ctx)
{
	return leave(ctx->ret);
}

SEC("tracepoint/syscalls/sys_exit_openat")
int exit_openat(struct trace_event_raw_sys_exit *ctx)
{
	return leave(ctx->ret);
}

SEC("tracepoint/syscalls/sys_exit_openat2")
int exit_openat2(struct trace_event_raw_sys_exit *ctx)
{
	return leave(ctx->ret);
}

char LICENSE[] SEC("license") = "GPL";
