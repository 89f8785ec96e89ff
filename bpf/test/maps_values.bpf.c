// SPDX-License-Identifier: GPL-2.0-only
/*
 * Values that hold objects of the kernel's: it knows them by the types of the map's values. Each
 * program is run on a packet.
 */
#include "check.h"

#define CLOCK_MONOTONIC 1

struct locked {
	struct bpf_spin_lock lock;
	u64 value;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct locked);
} locks SEC(".maps");

struct timed {
	u64 fired;
	struct bpf_timer timer;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, u32);
	__type(value, struct timed);
} timers SEC(".maps");

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct locked);
};

struct inner inside SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, u32);
	__array(values, struct inner);
} outside SEC(".maps") = {
	.values = { [0] = &inside },
};

u64 fired;

SEC("tc")
int lock(struct __sk_buff *ctx)
{
	u32 zero = 0;
	struct locked *one = bpf_map_lookup_elem(&locks, &zero);

	CHECK(one);
	bpf_spin_lock(&one->lock);
	one->value++;
	bpf_spin_unlock(&one->lock);
	CHECK(one->value == 1);
	return 0;
}

SEC("tc")
int lock_inside(struct __sk_buff *ctx)
{
	u32 zero = 0;
	void *map = bpf_map_lookup_elem(&outside, &zero);
	struct locked *one;

	CHECK(map);
	one = bpf_map_lookup_elem(map, &zero);
	CHECK(one);
	bpf_spin_lock(&one->lock);
	one->value = 7;
	bpf_spin_unlock(&one->lock);
	one = bpf_map_lookup_elem(&inside, &zero);
	CHECK(one && one->value == 7);
	return 0;
}

static int fire(void *map, u32 *key, struct timed *value)
{
	value->fired++;
	__sync_fetch_and_add(&fired, *key);
	return 0;
}

/* fired becomes 42 */
SEC("tc")
int start(struct __sk_buff *ctx)
{
	u32 key = 42;
	struct timed value = {}, *one;

	CHECK(!bpf_map_update_elem(&timers, &key, &value, 0));
	one = bpf_map_lookup_elem(&timers, &key);
	CHECK(one);
	CHECK(!bpf_timer_init(&one->timer, &timers, CLOCK_MONOTONIC));
	CHECK(!bpf_timer_set_callback(&one->timer, fire));
	CHECK(!bpf_timer_start(&one->timer, 0, 0));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
