// SPDX-License-Identifier: GPL-2.0-only
/* A type of map that no kernel has. */
#include "check.h"

struct {
	__uint(type, 999);
	__uint(max_entries, 8);
	__type(key, u32);
	__type(value, u32);
} absent SEC(".maps");

SEC("syscall")
int use(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
