// SPDX-License-Identifier: GPL-2.0-only
/*
 * What attaches to a control group: each program adds 1 to its row of `hits` and lets everything
 * happen as it would without it.
 */
#include "../include/core.h"

#define ALLOW 1

enum program {
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
	PROGRAMS,
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PROGRAMS);
	__type(key, u32);
	__type(value, u64);
} hits SEC(".maps");

static __always_inline int hit(u32 program)
{
	u64 *count = bpf_map_lookup_elem(&hits, &program);

	if (count)
		__sync_fetch_and_add(count, 1);
	return ALLOW;
}

#define COUNTS(section, name, context, row)                                                        \
	SEC(section)                                                                               \
	int name(context *ctx)                                                                     \
	{                                                                                          \
		return hit(row);                                                                   \
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
	return hit(GETSOCKOPT);
}

SEC("cgroup/setsockopt")
int setsockopt(struct bpf_sockopt *ctx)
{
	ctx->optlen = 0; /* the option is set as it was asked for */
	return hit(SETSOCKOPT);
}

char LICENSE[] SEC("license") = "GPL";
