// SPDX-License-Identifier: GPL-2.0-only
/* A program that takes time: for one process, in a system call that hardly anybody else makes. */
#include "../include/core.h"

const volatile u32 target_pid;
const volatile u32 rounds = 1 << 14;
u32 spent;

SEC("tracepoint/syscalls/sys_enter_getppid")
int burn(void *ctx)
{
	u32 sum = 0;

	if (bpf_get_current_pid_tgid() >> 32 != target_pid)
		return 0;
	for (u32 round = 0; round < 1 << 16; round++) {
		if (round == rounds)
			break;
		sum += bpf_get_smp_processor_id();
	}
	spent = sum;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
