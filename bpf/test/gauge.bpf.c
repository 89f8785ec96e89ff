// SPDX-License-Identifier: GPL-2.0-only
/* A gauge from a hash table: prctl(TRIGGER, 0, value) sets the caller's row, prctl(TRIGGER, 1)
 * deletes it. */
#include "trigger.h"

struct key {
	u32 pid;
	char comm[TASK_COMM_LEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct key);
	__type(value, u64);
} gauge_calls SEC(".maps");

TRIGGER_SEC
int set(struct trace_event_raw_sys_enter *ctx)
{
	struct key key = { .pid = bpf_get_current_pid_tgid() >> 32 };
	u64 value = ctx->args[2];

	if (!triggered(ctx))
		return 0;
	bpf_get_current_comm(key.comm, sizeof(key.comm));
	if (ctx->args[1] == 1)
		bpf_map_delete_elem(&gauge_calls, &key);
	else
		bpf_map_update_elem(&gauge_calls, &key, &value, BPF_ANY);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
