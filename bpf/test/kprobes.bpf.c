// SPDX-License-Identifier: GPL-2.0-only
/* A function of the kernel, and a system call, where they begin and where they return:
 * prctl(TRIGGER, op, number). */
#include "../include/regs.h"
#include "trigger.h"

enum kind {
	FUNCTION = 1,
	FUNCTION_RETURN,
	SYSCALL,
	SYSCALL_RETURN,
	ENTRY
};

struct event {
	u32 pid;
	enum kind kind;
	u64 op;
	u64 number;
	s64 ret;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
	__type(value, struct event);
} print_calls SEC(".maps");

extern bool LINUX_HAS_SYSCALL_WRAPPER __kconfig;

static __always_inline int report(enum kind kind, u64 op, u64 number, s64 ret)
{
	struct event *event = bpf_ringbuf_reserve(&print_calls, sizeof(*event), 0);

	if (!event)
		return 0;
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->kind = kind;
	event->op = op;
	event->number = number;
	event->ret = ret;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

SEC("kprobe/cap_task_prctl")
int BPF_KPROBE(function, int option, unsigned long op, unsigned long number)
{
	return option == TRIGGER ? report(FUNCTION, op, number, 0) : 0;
}

SEC("kretprobe/cap_task_prctl")
int BPF_KRETPROBE(function_return, int ret)
{
	return report(FUNCTION_RETURN, 0, 0, ret);
}

SEC("ksyscall/prctl")
int BPF_KSYSCALL(syscall, int option, unsigned long op, unsigned long number)
{
	return option == TRIGGER ? report(SYSCALL, op, number, 0) : 0;
}

SEC("kretsyscall/prctl")
int BPF_KRETPROBE(syscall_return, long ret)
{
	return report(SYSCALL_RETURN, 0, 0, ret);
}

/* As bee's examples name system calls. */
SEC("kprobe/__x64_sys_prctl")
int BPF_KPROBE(entry, struct pt_regs *regs)
{
	unsigned long op = PT_REGS_PARM2_CORE_SYSCALL(regs),
		      number = PT_REGS_PARM3_CORE_SYSCALL(regs);

	return (int)PT_REGS_PARM1_CORE_SYSCALL(regs) == TRIGGER ? report(ENTRY, op, number, 0) : 0;
}

char LICENSE[] SEC("license") = "GPL";
