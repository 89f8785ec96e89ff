// SPDX-License-Identifier: GPL-2.0-only
/* Both ends of a pair of netkit devices: what leaves them is counted, and goes on. */
#include "hits.h"

enum row {
	PRIMARY,
	PEER,
};

#define NETKIT_NEXT -1

SEC("netkit/primary")
int on_primary(struct __sk_buff *skb)
{
	hit(PRIMARY);
	return NETKIT_NEXT;
}

SEC("netkit/peer")
int on_peer(struct __sk_buff *skb)
{
	hit(PEER);
	return NETKIT_NEXT;
}

char LICENSE[] SEC("license") = "GPL";
