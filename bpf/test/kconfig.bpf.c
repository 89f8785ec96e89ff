// SPDX-License-Identifier: GPL-2.0-only
/* What a loader tells about the kernel; the variables of .bss keep it for a reader. */
#include "check.h"

extern int LINUX_KERNEL_VERSION __kconfig;
extern bool LINUX_HAS_BPF_COOKIE __kconfig __weak;
extern bool LINUX_HAS_SYSCALL_WRAPPER __kconfig __weak;

u32 version;
u32 has_bpf_cookie;
u32 has_syscall_wrapper;

SEC("syscall")
int tell(void *ctx)
{
	version = LINUX_KERNEL_VERSION;
	has_bpf_cookie = LINUX_HAS_BPF_COOKIE;
	has_syscall_wrapper = LINUX_HAS_SYSCALL_WRAPPER;
	CHECK(version >= 5 << 16);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
