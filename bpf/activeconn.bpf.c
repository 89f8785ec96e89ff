// SPDX-License-Identifier: GPL-2.0-only
/* How many TCP connections are open now, between which addresses, as a gauge. */
#include "include/sock.h"

struct pair {
	ipv6_addr saddr;
	ipv6_addr daddr;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, struct pair);
	__type(value, u64);
} gauge_connections SEC(".maps");

static __always_inline void add(const struct pair *pair, s64 change)
{
	u64 none = 0;
	u64 *count;

	bpf_map_update_elem(&gauge_connections, pair, &none, BPF_NOEXIST);
	count = bpf_map_lookup_elem(&gauge_connections, pair);
	/* a connection that was open before us may end: it is none of those counted */
	if (count && (change > 0 || *count))
		__sync_fetch_and_add(count, change);
}

SEC("tracepoint/sock/inet_sock_set_state")
int set_state(struct trace_event_raw_inet_sock_set_state *ctx)
{
	struct pair pair = {};

	if (ctx->protocol != IPPROTO_TCP)
		return 0;
	if (ctx->family == AF_INET) {
		map_ipv4(pair.saddr, 0);
		map_ipv4(pair.daddr, 0);
		bpf_core_read(pair.saddr + 12, 4, &ctx->saddr);
		bpf_core_read(pair.daddr + 12, 4, &ctx->daddr);
	} else {
		bpf_core_read(pair.saddr, 16, &ctx->saddr_v6);
		bpf_core_read(pair.daddr, 16, &ctx->daddr_v6);
	}
	if (ctx->newstate == TCP_ESTABLISHED)
		add(&pair, 1);
	else if (ctx->oldstate == TCP_ESTABLISHED)
		add(&pair, -1);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
