// SPDX-License-Identifier: GPL-2.0-only
/* A per-CPU variable of the kernel, by its type; kernels without CONFIG_KALLSYMS_ALL refuse it. */
#include "check.h"

extern const int bpf_prog_active __ksym;

u32 depth;
u32 seen;

SEC("raw_tp/sched_process_exit")
int variable(void *ctx)
{
	const int *active = bpf_per_cpu_ptr(&bpf_prog_active, 0);

	if (active) {
		depth = *(const volatile int *)active;
		seen = 1;
	}
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
