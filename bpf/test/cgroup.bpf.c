// SPDX-License-Identifier: GPL-2.0-only
/* What attaches to a control group: counted, and everything happens as it would without. */
#include "hits.h"

#define ALLOW 1

enum row {
	SKB_INGRESS,
	SKB_EGRESS,
	SKB,
	SOCK_CREATE,
	SOCK_RELEASE,
	POST_BIND4,
	BIND4,
	CONNECT4,
	SENDMSG4,
	RECVMSG4,
	GETPEERNAME4,
	GETSOCKNAME4,
	SYSCTL,
	GETSOCKOPT,
	SETSOCKOPT,
	DEVICE,
	SOCKOPS,
};

#define COUNTS(section, name, context, row)                                                        \
	SEC(section)                                                                               \
	int name(context *ctx)                                                                     \
	{                                                                                          \
		hit(row);                                                                          \
		return ALLOW;                                                                      \
	}

COUNTS("cgroup_skb/ingress", skb_ingress, struct __sk_buff, SKB_INGRESS)
COUNTS("cgroup_skb/egress", skb_egress, struct __sk_buff, SKB_EGRESS)
COUNTS("cgroup/skb", skb, struct __sk_buff, SKB)
COUNTS("cgroup/sock_create", sock_create, struct bpf_sock, SOCK_CREATE)
COUNTS("cgroup/sock_release", sock_release, struct bpf_sock, SOCK_RELEASE)
COUNTS("cgroup/post_bind4", post_bind4, struct bpf_sock, POST_BIND4)
COUNTS("cgroup/bind4", bind4, struct bpf_sock_addr, BIND4)
COUNTS("cgroup/connect4", connect4, struct bpf_sock_addr, CONNECT4)
COUNTS("cgroup/sendmsg4", sendmsg4, struct bpf_sock_addr, SENDMSG4)
COUNTS("cgroup/recvmsg4", recvmsg4, struct bpf_sock_addr, RECVMSG4)
COUNTS("cgroup/getpeername4", getpeername4, struct bpf_sock_addr, GETPEERNAME4)
COUNTS("cgroup/getsockname4", getsockname4, struct bpf_sock_addr, GETSOCKNAME4)
COUNTS("cgroup/sysctl", on_sysctl, struct bpf_sysctl, SYSCTL)
COUNTS("cgroup/dev", device, struct bpf_cgroup_dev_ctx, DEVICE)
COUNTS("sockops", sock_ops, struct bpf_sock_ops, SOCKOPS)

SEC("cgroup/getsockopt")
int getsockopt(struct bpf_sockopt *ctx)
{
	ctx->optlen = 0; /* the kernel's answer stays, whatever its size */
	hit(GETSOCKOPT);
	return ALLOW;
}

SEC("cgroup/setsockopt")
int setsockopt(struct bpf_sockopt *ctx)
{
	ctx->optlen = 0; /* the option is set as it was asked for */
	hit(SETSOCKOPT);
	return ALLOW;
}

char LICENSE[] SEC("license") = "GPL";
