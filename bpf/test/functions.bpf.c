// SPDX-License-Identifier: GPL-2.0-only
/* Functions of the kernel and of the C library, in the ways that are newer than most kernels: each
 * program counts how often the process runs it. prctl(TRIGGER) calls cap_task_prctl(). */
#include "hits.h"
#include "trigger.h"

#include <bpf/bpf_tracing.h>

#define EDOM 33

enum row {
	KPROBE_SESSION,
	UPROBE_SESSION,
	FMOD_RET,
	FSESSION,
	FENTRY_MULTI,
	FEXIT_MULTI,
	FSESSION_MULTI,
	LSM_CGROUP,
	RAW_TP_WRITABLE,
};

const volatile u32 process = 0;

static __always_inline bool ours(void)
{
	return bpf_get_current_pid_tgid() >> 32 == process;
}

static __always_inline int counted(u32 row)
{
	if (ours())
		hit(row);
	return 0;
}

SEC("kprobe.session/cap_task_prct?")
int kprobe_session(void *ctx)
{
	return counted(KPROBE_SESSION);
}

SEC("uprobe.session/libc.so.6:secure_get?nv")
int uprobe_session(void *ctx)
{
	return counted(UPROBE_SESSION);
}

/* What the function is called for never happens: it returns what the program does. */
SEC("fmod_ret/security_task_prctl")
int BPF_PROG(fmod_ret, int option)
{
	if (option != TRIGGER || !ours())
		return 0;
	hit(FMOD_RET);
	return -EDOM;
}

SEC("fsession/cap_task_prctl")
int fsession(void *ctx)
{
	return counted(FSESSION);
}

SEC("fentry.multi/cap_task_prct?")
int fentry_multi(void *ctx)
{
	return counted(FENTRY_MULTI);
}

SEC("fexit.multi/cap_task_prct?")
int fexit_multi(void *ctx)
{
	return counted(FEXIT_MULTI);
}

SEC("fsession.multi/cap_task_prct?")
int fsession_multi(void *ctx)
{
	return counted(FSESSION_MULTI);
}

SEC("lsm_cgroup/socket_post_create")
int lsm_cgroup(void *ctx)
{
	counted(LSM_CGROUP);
	return 1; /* permitted */
}

/* The end of every PROG_TEST_RUN, with its result. */
SEC("raw_tp.w/bpf_test_finish")
int writable(struct bpf_raw_tracepoint_args *ctx)
{
	int *result = (int *)ctx->args[0];

	if (!ours())
		return 0;
	hit(RAW_TP_WRITABLE);
	*result = -EDOM;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
