// SPDX-License-Identifier: GPL-2.0-only
/* The verifier must refuse it: the helper is for programs under the GPL. */
#include "../include/core.h"

SEC("raw_tp/sched_process_exit")
int err_license(void *ctx)
{
	char text[] = "hello";

	return bpf_trace_printk(text, sizeof(text)); /* refused here */
}

char LICENSE[] SEC("license") = "Proprietary";
