// SPDX-License-Identifier: GPL-2.0-only
/* Options of the kernel's configuration, in each type that a loader fills; .bss keeps some. */
#include "check.h"

extern int CONFIG_HZ __kconfig;
extern bool CONFIG_BPF_SYSCALL __kconfig;
extern char CONFIG_NET __kconfig;
extern enum libbpf_tristate CONFIG_INET __kconfig;
extern char CONFIG_DEFAULT_HOSTNAME[32] __kconfig __weak;
extern bool CONFIG_NO_SUCH_OPTION __kconfig __weak;

u32 hz;
u32 syscalls;
u32 net;
u32 inet;
u32 missing = 1;
char hostname[32];

SEC("syscall")
int tell(void *ctx)
{
	hz = CONFIG_HZ;
	syscalls = CONFIG_BPF_SYSCALL;
	net = CONFIG_NET;
	inet = CONFIG_INET;
	missing = CONFIG_NO_SUCH_OPTION;
	for (int i = 0; i < 31; i++)
		hostname[i] = CONFIG_DEFAULT_HOSTNAME[i];
	CHECK(syscalls == 1);
	CHECK(net == 'y');
	CHECK(inet == TRI_YES || inet == TRI_MODULE);
	CHECK(missing == 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
