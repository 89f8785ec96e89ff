// SPDX-License-Identifier: GPL-2.0-only
/* Declaration tags longer than the kernel's names: it and libbpf take them. */
#include "hits.h"

#define TEN	"0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define TAG	__attribute__((btf_decl_tag("tag:" HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED)))

struct TAG tagged {
	u32 number TAG;
};

struct tagged variable TAG;

SEC("raw_tp/sched_process_exit")
TAG int on_exit(void *ctx)
{
	hit(variable.number);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
