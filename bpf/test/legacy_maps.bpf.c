// SPDX-License-Identifier: GPL-2.0-only
/* Maps as before BTF, which libbpf 1.0 and newer refuse. */
#include "check.h"

struct bpf_map_def {
	unsigned int type;
	unsigned int key_size;
	unsigned int value_size;
	unsigned int max_entries;
	unsigned int map_flags;
};

struct bpf_map_def SEC("maps") counts = {
	.type = BPF_MAP_TYPE_HASH,
	.key_size = sizeof(u32),
	.value_size = sizeof(u64),
	.max_entries = 16,
};

struct bpf_map_def SEC("maps") slots = {
	.type = BPF_MAP_TYPE_ARRAY,
	.key_size = sizeof(u32),
	.value_size = sizeof(u32),
	.max_entries = 4,
};

/* As the kernel's selftests and bcc write it. */
#define BPF_ANNOTATE_KV_PAIR(name, type_key, type_val)                                             \
	struct ____btf_map_##name {                                                                \
		type_key key;                                                                      \
		type_val value;                                                                    \
	};                                                                                         \
	struct ____btf_map_##name SEC(".maps." #name) ____btf_map_##name = {}

BPF_ANNOTATE_KV_PAIR(counts, u32, u64);

SEC("syscall")
int legacy(void *ctx)
{
	u32 key = 3;
	u64 value = 7;
	u32 *slot = bpf_map_lookup_elem(&slots, &key);

	CHECK(slot);
	*slot = 42;
	CHECK(!bpf_map_update_elem(&counts, &key, &value, BPF_ANY));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
