// SPDX-License-Identifier: GPL-2.0-only
/* A pointer to a task in a map, known to the kernel by the tag on its type (clang 14 or newer). */
#include "check.h"

#if __has_attribute(btf_type_tag)
#define __untrusted __attribute__((btf_type_tag("kptr_untrusted")))
#else
#define __untrusted
#endif

struct held {
	struct task_struct __untrusted *task;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct held);
} tasks SEC(".maps");

SEC("tp_btf/sched_process_exit")
int hold(void *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct held *held;
	u32 zero = 0;

	held = bpf_map_lookup_elem(&tasks, &zero);
	CHECK(held &&
	      task->tgid); /* the struct must be whole in BTF, else the kernel overlooks it */
	held->task = task;
	CHECK(held->task);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
