// SPDX-License-Identifier: GPL-2.0-only
/* Programs that do what they run on, which the kernel does not let them: a run is missed each. */
#include "trigger.h"

const volatile u32 pid = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} nothing SEC(".maps");

static __always_inline bool is_ours(void)
{
	return bpf_get_current_pid_tgid() >> 32 == pid;
}

static __always_inline void delete_nothing(void)
{
	u32 key = 0;

	bpf_map_delete_elem(&nothing, &key);
}

/* the outer one of both pairs */
TRIGGER_SEC
int outer(struct trace_event_raw_sys_enter *ctx)
{
	if (triggered(ctx)) {
		bpf_printk("outer");
		delete_nothing();
	}
	return 0;
}

SEC("raw_tp/bpf_trace_printk")
int printed(void *ctx)
{
	if (is_ours())
		bpf_printk("inner");
	return 0;
}

SEC("fentry/htab_map_delete_elem")
int deleted(void *ctx)
{
	if (is_ours())
		delete_nothing();
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
