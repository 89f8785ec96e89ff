// SPDX-License-Identifier: GPL-2.0-only
/* Programs that are static functions: libbpf refuses them, cilium/ebpf and aya do not. */
#include "hits.h"

static __noinline u32 row_of(u32 pid)
{
	return pid ? 1 : 0;
}

SEC("raw_tp/sched_process_exit")
static int on_exit(void *ctx)
{
	hit(row_of(bpf_get_current_pid_tgid() >> 32));
	return 0;
}

SEC("raw_tp/sched_process_exit")
int in_one_section(void *ctx)
{
	hit(2);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
