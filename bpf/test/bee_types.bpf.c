// SPDX-License-Identifier: GPL-2.0-only
/* bee's own typedefs: its ipv6_addr has 4 bytes. Run by PROG_TEST_RUN, emit() submits one record.
 */
#include "../include/core.h"

typedef u32 ipv4_addr;
typedef u32 ipv6_addr;
typedef u64 duration;

struct event {
	ipv4_addr v4;  /* 10.1.2.3 */
	ipv6_addr v6;  /* bytes 20 01 0d b8 */
	duration took; /* 1.5ms */
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 12);
	__type(value, struct event);
} print_addresses SEC(".maps");

SEC("syscall")
int emit(void *ctx)
{
	struct event event = { .v4 = 0x0302010a, .v6 = 0xb80d0120, .took = 1500000 };

	return bpf_ringbuf_output(&print_addresses, &event, sizeof(event), 0);
}

char LICENSE[] SEC("license") = "GPL";
