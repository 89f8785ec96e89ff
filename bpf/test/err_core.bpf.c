// SPDX-License-Identifier: GPL-2.0-only
/*
 * The verifier must refuse it: a member that no kernel has is read. Asking whether it exists would
 * be right. clang gives the function's line to the offset that is missing.
 */
#include "../include/core.h"

struct task_struct___absent {
	int no_such_member;
} __attribute__((preserve_access_index));

SEC("raw_tp/sched_process_exit")
int err_core(struct bpf_raw_tracepoint_args *ctx) /* refused here */
{
	struct task_struct___absent *task = (void *)ctx->args[0];

	return BPF_CORE_READ(task, no_such_member);
}

char LICENSE[] SEC("license") = "GPL";
