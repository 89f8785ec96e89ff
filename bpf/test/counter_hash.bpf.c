// SPDX-License-Identifier: GPL-2.0-only
/*
 * A counter from a hash table: prctl(TRIGGER, 0, n) adds n to the caller's row, prctl(TRIGGER, 1)
 * deletes it, so that a key can come back with a lower value.
 */
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
} counter_calls SEC(".maps");

TRIGGER_SEC
int add(struct trace_event_raw_sys_enter *ctx)
{
	struct key key = { .pid = bpf_get_current_pid_tgid() >> 32 };
	u64 *value, zero = 0;

	if (!triggered(ctx))
		return 0;
	bpf_get_current_comm(key.comm, sizeof(key.comm));
	if (ctx->args[1] == 1) {
		bpf_map_delete_elem(&counter_calls, &key);
		return 0;
	}
	bpf_map_update_elem(&counter_calls, &key, &zero, BPF_NOEXIST);
	value = bpf_map_lookup_elem(&counter_calls, &key);
	if (value)
		__sync_fetch_and_add(value, ctx->args[2]);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
