/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What our programs read of the kernel's types, and no more: the members' places are those of the
 * running kernel (CO-RE), so order and neighbours do not matter here.
 */
#ifndef BEEPY_CORE_H
#define BEEPY_CORE_H

#define __VMLINUX_H__ /* bpf_tracing.h: registers by the kernel's names */

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s8 s8;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;
typedef _Bool bool;
typedef u64 usecs; /* the unit that histograms are shown in */

#define true 1
#define false 0

#define TASK_COMM_LEN 16

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct task_struct {
	int exit_code;
	int pid;
	int tgid;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	u64 start_time;
	char comm[TASK_COMM_LEN];
};

struct trace_event_raw_sys_enter {
	long id;
	unsigned long args[6];
};

struct trace_event_raw_sys_exit {
	long id;
	long ret;
};

#pragma clang attribute pop

#endif
