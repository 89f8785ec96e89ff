/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The registers that kprobe and uprobe programs read: x86-64's, as <bpf/bpf_tracing.h> names them.
 */
#ifndef BEEPY_REGS_H
#define BEEPY_REGS_H

#include "core.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct pt_regs {
	unsigned long r10;
	unsigned long r9;
	unsigned long r8;
	unsigned long ax;
	unsigned long cx;
	unsigned long dx;
	unsigned long si;
	unsigned long di;
	unsigned long ip;
	unsigned long sp;
};

#pragma clang attribute pop

#include <bpf/bpf_tracing.h>

#endif
