// SPDX-License-Identifier: GPL-2.0-only
/* Every program that is started, with its arguments. */
#include "include/core.h"

#define ARGS_SIZE 2008
#define ARG_SIZE  512 /* of one argument, with its end */
#define MAX_ARGS  60

struct event {
	u32 pid;
	u32 ppid;
	u32 uid;
	int retval;
	u32 args_count; /* the arguments that args holds: a long command line is cut */
	u32 args_size;	/* their bytes, with one blank or NUL after each */
	char comm[TASK_COMM_LEN];
	char args[ARGS_SIZE]; /* the program's path, then what stands behind argv[0] */
};

const volatile bool trace_failed = false; /* also what could not be started */
const volatile u32 target_uid = -1;	  /* -1: all */

/*
 * What a process asked for, until the kernel answers. By process: a thread that succeeds becomes
 * its process' only one, under the process' number.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, u32);
	__type(value, struct event);
} requests SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
	__type(value, struct event);
} print_execs SEC(".maps");

static const struct event empty; /* too large for the stack */

/* Append one argument; 0 if there was none, or no room. */
static __always_inline bool append(struct event *event, const char *arg)
{
	u32 used = event->args_size;
	long size;

	if (!arg || used > ARGS_SIZE - ARG_SIZE)
		return false;
	size = bpf_probe_read_user_str(event->args + used, ARG_SIZE, arg);
	if (size <= 0 || size > ARG_SIZE)
		return false;
	event->args_size = used + size;
	event->args_count++;
	return true;
}

static __always_inline int enter(const char *path, const char *const *argv)
{
	u32 uid = bpf_get_current_uid_gid();
	u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct task_struct *task;
	struct event *event;
	const char *arg;

	if (target_uid != -1 && target_uid != uid)
		return 0;
	if (bpf_map_update_elem(&requests, &pid, &empty, BPF_ANY))
		return 0;
	event = bpf_map_lookup_elem(&requests, &pid);
	if (!event)
		return 0;

	task = (struct task_struct *)bpf_get_current_task();
	event->pid = pid;
	event->ppid = BPF_CORE_READ(task, real_parent, tgid);
	event->uid = uid;
	if (!append(event, path))
		return 0;
	for (int i = 1; i < MAX_ARGS; i++) {
		u32 last = event->args_size - 1;

		if (bpf_probe_read_user(&arg, sizeof(arg), &argv[i]) || !append(event, arg))
			break;
		if (last < ARGS_SIZE)
			event->args[last] = ' ';
	}
	return 0;
}

static __always_inline int leave(long ret)
{
	u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct event *event = bpf_map_lookup_elem(&requests, &pid);

	if (!event)
		return 0;
	if (!ret || trace_failed) {
		event->retval = ret;
		bpf_get_current_comm(event->comm, sizeof(event->comm));
		bpf_ringbuf_output(&print_execs, event, sizeof(*event), 0);
	}
	bpf_map_delete_elem(&requests, &pid);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_execve")
int enter_execve(struct trace_event_raw_sys_enter *ctx)
{
	return enter((const char *)ctx->args[0], (const char *const *)ctx->args[1]);
}

SEC("tracepoint/syscalls/sys_enter_execveat")
int enter_execveat(struct trace_event_raw_sys_enter *ctx)
{
	return enter((const char *)ctx->args[1], (const char *const *)ctx->args[2]);
}

SEC("tracepoint/syscalls/sys_exit_execve")
int exit_execve(struct trace_event_raw_sys_exit *ctx)
{
	return leave(ctx->ret);
}

SEC("tracepoint/syscalls/sys_exit_execveat")
int exit_execveat(struct trace_event_raw_sys_exit *ctx)
{
	return leave(ctx->ret);
}

char LICENSE[] SEC("license") = "GPL";
