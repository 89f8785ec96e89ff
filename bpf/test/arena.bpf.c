// SPDX-License-Identifier: GPL-2.0-only
/* Variables that stand in an arena, where the compiler knows address spaces. */
#include "check.h"

#ifdef __BPF_FEATURE_ADDR_SPACE_CAST
#define __arena __attribute__((address_space(1)))
#else
#define __arena
#endif

struct {
	__uint(type, 33); /* BPF_MAP_TYPE_ARENA */
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 4); /* pages */
} arena SEC(".maps");

struct node {
	struct node __arena *next;
	u64 value;
};

u64 __arena parameter = 7;
struct node __arena last = { .value = 30 };
struct node __arena first = { .value = 12 };
u64 __arena sum; /* 42 */

/* Without this an old compiler's program has no map, and no arena. */
static __always_inline void touch(void)
{
	asm volatile("" ::"r"(&arena));
}

SEC("syscall")
int walk(void *ctx)
{
	touch();
	CHECK(parameter == 7 || parameter == 8);
	first.next = &last;
	sum = first.value + first.next->value;
	CHECK(sum == 42);
	return 0;
}

SEC("syscall")
int told(void *ctx)
{
	touch();
	return parameter;
}

char LICENSE[] SEC("license") = "GPL";
