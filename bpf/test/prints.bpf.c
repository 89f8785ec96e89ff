// SPDX-License-Identifier: GPL-2.0-only
/* Programs that print: by bpf_printk(), from a function of their own, and into their streams. */
#include "../include/core.h"

extern int bpf_stream_vprintk_impl(int stream_id, const char *fmt__str, const void *args,
				   u32 len__sz, void *aux__prog) __ksym __weak;

static __noinline int deeper(u64 number)
{
	bpf_printk("number %llu\nin two lines", number);
	return 0;
}

SEC("syscall")
int say(u64 *ctx)
{
	return deeper(*ctx);
}

SEC("syscall")
int stream(u64 *ctx)
{
	static const char format[] = "streamed %llu\n";

	if (!bpf_stream_vprintk_impl)
		return 1;
	return bpf_stream_vprintk_impl(1, format, ctx, sizeof(*ctx), 0);
}

SEC("tracepoint/syscalls/sys_enter_getppid")
int called(void *ctx)
{
	char name[16];

	bpf_get_current_comm(name, sizeof(name));
	bpf_printk("called by %s", name);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
