// SPDX-License-Identifier: GPL-2.0-only
/* Sections that say a direction (libbpf 1.3): frames are counted, and pass. */
#include "hits.h"

#include <linux/pkt_cls.h>

enum row {
	INGRESS,
	EGRESS,
	EITHER,
};

SEC("tc/ingress")
int on_ingress(struct __sk_buff *skb)
{
	frame(skb, INGRESS);
	return TC_ACT_UNSPEC;
}

SEC("tcx/egress")
int on_egress(struct __sk_buff *skb)
{
	frame(skb, EGRESS);
	return TC_ACT_UNSPEC;
}

SEC("classifier")
int on_either(struct __sk_buff *skb)
{
	frame(skb, EITHER);
	return TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "GPL";
