// SPDX-License-Identifier: GPL-2.0-only
/* The verifier must refuse it, with a long log: the loop has no end that it can see. */
#include "../include/core.h"

volatile u32 limit;

SEC("raw_tp/sched_process_exit")
int err_loop(void *ctx)
{
	u32 sum = 0;

	for (u32 i = 0; i != limit; i++) /* refused here */
		sum += i ^ bpf_get_prandom_u32();
	return sum;
}

char LICENSE[] SEC("license") = "GPL";
