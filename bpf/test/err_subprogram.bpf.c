// SPDX-License-Identifier: GPL-2.0-only
/* The verifier must refuse it: a function two calls down reads behind an array. */
#include "../include/core.h"

static __noinline u64 read(u64 *values, u32 at)
{
	return values[at]; /* refused here */
}

static __noinline u64 between(u64 *values, u32 at)
{
	return read(values, at) + 1;
}

SEC("raw_tp/sched_process_exit")
int err_subprogram(struct bpf_raw_tracepoint_args *ctx)
{
	u64 values[2] = { 1, 2 };

	return between(values, ctx->args[0]);
}

char LICENSE[] SEC("license") = "GPL";
