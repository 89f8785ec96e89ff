// SPDX-License-Identifier: GPL-2.0-only
/* Programs that libbpf attaches nowhere: something else calls them. Each counts that it was. */
#include "hits.h"

#include <linux/pkt_cls.h>

enum row {
	ACTION,
	LWT_IN,
	LWT_OUT,
	LWT_XMIT,
	LWT_SEG6LOCAL,
	SYSCALL,
};

#define COUNTS(section, name, row, result)                                                         \
	SEC(section)                                                                               \
	int name(struct __sk_buff *skb)                                                            \
	{                                                                                          \
		hit(row);                                                                          \
		return result;                                                                     \
	}

COUNTS("action", on_action, ACTION, TC_ACT_OK)
COUNTS("lwt_in", on_in, LWT_IN, BPF_OK)
COUNTS("lwt_out", on_out, LWT_OUT, BPF_OK)
COUNTS("lwt_xmit", on_xmit, LWT_XMIT, BPF_OK)
COUNTS("lwt_seg6local", on_seg6local, LWT_SEG6LOCAL, BPF_OK)

SEC("syscall")
int on_call(void *ctx)
{
	hit(SYSCALL);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
