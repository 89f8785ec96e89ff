// SPDX-License-Identifier: GPL-2.0-only
/* A map of every type that Linux 6.18 creates without a device or a struct of its own. */
#include "check.h"

/* newer than the headers */
#define TYPE_CGRP_STORAGE 32
#define TYPE_ARENA	  33

#define MAP(name, kind, entries, flags)                                                            \
	struct {                                                                                   \
		__uint(type, kind);                                                                \
		__uint(max_entries, entries);                                                      \
		__uint(map_flags, flags);                                                          \
		__type(key, u32);                                                                  \
		__type(value, struct value);                                                       \
	} name SEC(".maps")

#define SIZED(name, kind, keys, values, entries, flags)                                            \
	struct {                                                                                   \
		__uint(type, kind);                                                                \
		__uint(max_entries, entries);                                                      \
		__uint(map_flags, flags);                                                          \
		__uint(key_size, keys);                                                            \
		__uint(value_size, values);                                                        \
	} name SEC(".maps")

struct value {
	u64 first;
	u32 second;
};

MAP(hash, BPF_MAP_TYPE_HASH, 8, 0);
MAP(hash_lazy, BPF_MAP_TYPE_HASH, 8, BPF_F_NO_PREALLOC);
MAP(array, BPF_MAP_TYPE_ARRAY, 8, 0);
MAP(array_mmapable, BPF_MAP_TYPE_ARRAY, 8, BPF_F_MMAPABLE);
MAP(percpu_hash, BPF_MAP_TYPE_PERCPU_HASH, 8, 0);
MAP(percpu_array, BPF_MAP_TYPE_PERCPU_ARRAY, 8, 0);
MAP(lru_hash, BPF_MAP_TYPE_LRU_HASH, 8, 0);
MAP(lru_hash_parted, BPF_MAP_TYPE_LRU_HASH, 800, BPF_F_NO_COMMON_LRU);
MAP(lru_percpu_hash, BPF_MAP_TYPE_LRU_PERCPU_HASH, 8, 0);
MAP(sk_storage, BPF_MAP_TYPE_SK_STORAGE, 0, BPF_F_NO_PREALLOC);
MAP(task_storage, BPF_MAP_TYPE_TASK_STORAGE, 0, BPF_F_NO_PREALLOC);
MAP(inode_storage, BPF_MAP_TYPE_INODE_STORAGE, 0, BPF_F_NO_PREALLOC);
MAP(cgrp_storage, TYPE_CGRP_STORAGE, 0, BPF_F_NO_PREALLOC);

SIZED(prog_array, BPF_MAP_TYPE_PROG_ARRAY, 4, 4, 8, 0);
SIZED(perf_event_array, BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, 0, 0);
SIZED(stack_trace, BPF_MAP_TYPE_STACK_TRACE, 4, 127 * 8, 8, 0);
SIZED(cgroup_array, BPF_MAP_TYPE_CGROUP_ARRAY, 4, 4, 8, 0);
SIZED(devmap, BPF_MAP_TYPE_DEVMAP, 4, 8, 8, 0);
SIZED(devmap_hash, BPF_MAP_TYPE_DEVMAP_HASH, 4, 4, 8, 0);
SIZED(sockmap, BPF_MAP_TYPE_SOCKMAP, 4, 8, 8, 0);
SIZED(sockhash, BPF_MAP_TYPE_SOCKHASH, 16, 8, 8, 0);
SIZED(cpumap, BPF_MAP_TYPE_CPUMAP, 4, 4, 1, 0);
SIZED(xskmap, BPF_MAP_TYPE_XSKMAP, 4, 4, 8, 0);
SIZED(reuseport_sockarray, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY, 4, 8, 8, 0);
SIZED(queue, BPF_MAP_TYPE_QUEUE, 0, 12, 8, 0);
SIZED(stack, BPF_MAP_TYPE_STACK, 0, 12, 8, 0);
SIZED(ringbuf, BPF_MAP_TYPE_RINGBUF, 0, 0, 5000, 0);
SIZED(user_ringbuf, BPF_MAP_TYPE_USER_RINGBUF, 0, 0, 4096, 0);

struct prefix {
	u32 length;
	u8 address[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 8);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix);
	__type(value, struct value);
} lpm_trie SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_STORAGE);
	__type(key, struct bpf_cgroup_storage_key);
	__type(value, struct value);
} cgroup_storage SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE);
	__type(key, u64);
	__type(value, struct value);
} percpu_cgroup_storage SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
	__uint(max_entries, 100);
	__type(value, struct value);
	__uint(map_extra, 3); /* hash functions */
} bloom_filter SEC(".maps");

struct {
	__uint(type, TYPE_ARENA);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 4); /* pages */
} arena SEC(".maps");

struct inner_ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 5000);
};

struct inner_ring ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, u32);
	__array(values, struct inner_ring);
} array_of_rings SEC(".maps") = {
	.values = { [1] = &ring },
};

struct locked {
	struct bpf_spin_lock lock;
	u32 value;
};

struct inner_hash {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u64);
	__type(value, struct locked);
};

struct inner_hash of_locked SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 8);
	__type(key, u32);
	__array(values, struct inner_hash);
} hash_of_locked SEC(".maps") = {
	.values = { [5] = &of_locked },
};

u64 global_data = 1;
static volatile u64 static_bss;
const volatile u32 constant = 3;

SEC("syscall")
int use(void *ctx)
{
	static_bss += global_data + constant;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
