// SPDX-License-Identifier: GPL-2.0-only
/* Two maps; compiled with KEEP, one of them asks to be pinned (and whoever loads it has to unpin
 * it). */
#include "check.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, u32);
	__type(value, u64);
#ifdef KEEP
	__uint(pinning, LIBBPF_PIN_BY_NAME);
#endif
} beepy_test_kept SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, u32);
	__type(value, u64);
} beepy_test_lost SEC(".maps");

u64 runs = 1; /* .data is never pinned */

SEC("syscall")
int count(void *ctx)
{
	u32 one = 1;
	u64 *value = bpf_map_lookup_elem(&beepy_test_kept, &one);

	CHECK(value);
	*value += runs;
	bpf_map_update_elem(&beepy_test_lost, &one, value, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
