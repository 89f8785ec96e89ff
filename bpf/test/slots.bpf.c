// SPDX-License-Identifier: GPL-2.0-only
/* Maps whose slots hold maps and programs from the beginning. */
#include "check.h"

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
};

struct inner first SEC(".maps");
struct inner second SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, u32);
	__array(values, struct inner);
} outer_array SEC(".maps") = {
	.values = { [0] = &first, [2] = &second },
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, u32);
	__array(values, struct inner);
} outer_hash SEC(".maps");

int leaf(void *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__uint(key_size, sizeof(u32));
	__array(values, int(void *));
} programs SEC(".maps") = {
	.values = { [1] = (void *)&leaf },
};

static __always_inline u64 *slot(void *outer, u32 index)
{
	void *inner = bpf_map_lookup_elem(outer, &index);
	u32 zero = 0;

	return inner ? bpf_map_lookup_elem(inner, &zero) : NULL;
}

SEC("raw_tp/sched_process_exit")
int leaf(void *ctx)
{
	return 4242;
}

SEC("raw_tp/sched_process_exit")
int jump(void *ctx)
{
	bpf_tail_call(ctx, &programs, 0); /* empty: falls through */
	bpf_tail_call(ctx, &programs, 1);
	return __LINE__;
}

SEC("raw_tp/sched_process_exit")
int maps(void *ctx)
{
	u32 zero = 0;
	u64 *value;

	value = bpf_map_lookup_elem(&second, &zero);
	CHECK(value);
	*value = 22;
	value = slot(&outer_array, 2);
	CHECK(value && *value == 22);
	value = slot(&outer_array, 0);
	CHECK(value && !*value);
	CHECK(!slot(&outer_array, 1));
	CHECK(!slot(&outer_hash, 0));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
