/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The registers of arm64, for types of a kernel of another architecture. */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct user_pt_regs {
	__u64 regs[31];
	__u64 sp;
	__u64 pc;
	__u64 pstate;
};

#pragma clang attribute pop
