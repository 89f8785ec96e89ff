// SPDX-License-Identifier: GPL-2.0-only
/* Counts what arrives for the sockets of a port, and leaves the choice to the kernel. */
#include "hits.h"

SEC("sk_reuseport")
int on_choice(struct sk_reuseport_md *ctx)
{
	hit(0);
	return SK_PASS;
}

char LICENSE[] SEC("license") = "GPL";
