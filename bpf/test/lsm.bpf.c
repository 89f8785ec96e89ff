// SPDX-License-Identifier: GPL-2.0-only
/* A security hook that sees every execve and permits it. */
#include "../include/core.h"
#include <bpf/bpf_tracing.h>

struct event {
	u32 pid;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
	__type(value, struct event);
} print_execs SEC(".maps");

struct linux_binprm;

SEC("lsm/bprm_check_security")
int BPF_PROG(check, struct linux_binprm *bprm, int ret)
{
	struct event *event = bpf_ringbuf_reserve(&print_execs, sizeof(*event), 0);

	if (event) {
		event->pid = bpf_get_current_pid_tgid() >> 32;
		bpf_ringbuf_submit(event, 0);
	}
	return ret;
}

char LICENSE[] SEC("license") = "GPL";
