// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tables of every kind that is read: prctl(TRIGGER, slot, n) adds n at the slot, and in a per-CPU
 * table at the slot of the CPU that it runs on. Values of 4 and 12 bytes show the padding to 8.
 */
#include "trigger.h"

#define SLOTS 16

struct value {
	u64 sum;
	u32 calls;
} __attribute__((packed));

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u32);
	__type(value, struct value);
} print_hash SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u32);
	__type(value, struct value);
} print_lru_hash SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, u32);
	__type(value, struct value);
} print_array SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1024);
	__type(key, u32);
	__type(value, struct value);
} print_cpu_hash SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_PERCPU_HASH);
	__uint(max_entries, 1024);
	__type(key, u32);
	__type(value, struct value);
} print_cpu_lru SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, u32);
	__type(value, u32);
} print_cpu_array SEC(".maps");

static __always_inline void add(void *map, u32 slot, u64 number)
{
	struct value *value, zero = {};

	bpf_map_update_elem(map, &slot, &zero, BPF_NOEXIST); /* an array has them all: EEXIST */
	value = bpf_map_lookup_elem(map, &slot);
	if (!value)
		return;
	value->sum += number;
	value->calls++;
}

TRIGGER_SEC
int count(struct trace_event_raw_sys_enter *ctx)
{
	u32 slot = ctx->args[1], *word;
	u64 number = ctx->args[2];

	if (!triggered(ctx))
		return 0;
	add(&print_hash, slot, number);
	add(&print_lru_hash, slot, number);
	add(&print_array, slot, number);
	add(&print_cpu_hash, slot, number);
	add(&print_cpu_lru, slot, number);
	word = bpf_map_lookup_elem(&print_cpu_array, &slot);
	if (word)
		*word += number;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
