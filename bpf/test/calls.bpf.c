// SPDX-License-Identifier: GPL-2.0-only
/* Functions: static, global, weak, shared by several programs, calling each other, and callbacks.
 */
#include "check.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 8);
	__type(key, u32);
	__type(value, u64);
} squares SEC(".maps");

struct bpf_map;

struct totals {
	u64 keys;
	u64 values;
};

u64 calls; /* of twice() */
u64 filled;

static __noinline u64 twice(u64 number)
{
	calls++;
	return number * 2;
}

static __noinline u64 thrice(u64 number)
{
	return twice(number) + number;
}

/* The verifier checks a global function by itself. */
__noinline int plus_one(int number)
{
	return twice(number) - number + 1;
}

__weak __noinline int weak_three(void)
{
	return 3;
}

static long fill(u32 index, void *context)
{
	u64 *square = bpf_map_lookup_elem(&squares, &index);

	if (!square)
		return 1;
	*square = (u64)index * index;
	filled++;
	return 0;
}

static long sum(struct bpf_map *map, u32 *key, u64 *value, struct totals *totals)
{
	totals->keys += *key;
	totals->values += *value;
	return 0;
}

SEC("syscall")
int subprograms(void *ctx)
{
	CHECK(twice(21) == 42);
	CHECK(thrice(5) == 15);
	CHECK(plus_one(6) == 7);
	CHECK(weak_three() == 3);
	return 0;
}

SEC("syscall")
int callbacks(void *ctx)
{
	struct totals totals = {};

	filled = 0;
	CHECK(bpf_loop(100, fill, NULL, 0) == 9); /* the ninth call says stop */
	CHECK(filled == 8);
	CHECK(bpf_for_each_map_elem(&squares, sum, &totals, 0) == 8);
	CHECK(totals.keys == 28);
	CHECK(totals.values == 140);
	CHECK(thrice(2) == 6);
	return 0;
}

/* It has the same functions at other places. */
SEC("raw_tp/sched_process_exit")
int elsewhere(void *ctx)
{
	CHECK(plus_one(thrice(1)) == 4);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
