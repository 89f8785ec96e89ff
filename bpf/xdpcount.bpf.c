// SPDX-License-Identifier: GPL-2.0-only
/*
 * Packets and bytes that arrive, by interface and protocol: counted where the driver hands them
 * over, before the kernel makes a socket buffer of them. Every packet passes.
 */
#include "include/core.h"

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>

#define VLAN_TAGS 2 /* 802.1ad and 802.1Q */
#define MAX_KEYS  4096

struct key {
	u32 ifindex;
	char family[8];
	char protocol[8]; /* of IP; else empty */
};

struct counter {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, MAX_KEYS);
	__type(key, struct key);
	__type(value, u64);
};

struct counter counter_packets SEC(".maps");
struct counter counter_bytes SEC(".maps");

struct vlan_header {
	__be16 tci;
	__be16 protocol;
};

static __always_inline void name_family(struct key *key, u16 ethertype)
{
	switch (ethertype) {
	case ETH_P_IP:
		__builtin_memcpy(key->family, "ipv4", 4);
		break;
	case ETH_P_IPV6:
		__builtin_memcpy(key->family, "ipv6", 4);
		break;
	case ETH_P_ARP:
		__builtin_memcpy(key->family, "arp", 3);
		break;
	default:
		__builtin_memcpy(key->family, "other", 5);
	}
}

static __always_inline void name_protocol(struct key *key, u8 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		__builtin_memcpy(key->protocol, "tcp", 3);
		break;
	case IPPROTO_UDP:
		__builtin_memcpy(key->protocol, "udp", 3);
		break;
	case IPPROTO_ICMP:
		__builtin_memcpy(key->protocol, "icmp", 4);
		break;
	case IPPROTO_ICMPV6:
		__builtin_memcpy(key->protocol, "icmpv6", 6);
		break;
	case IPPROTO_SCTP:
		__builtin_memcpy(key->protocol, "sctp", 4);
		break;
	default:
		__builtin_memcpy(key->protocol, "other", 5);
	}
}

static __always_inline void add(void *map, struct key *key, u64 number)
{
	u64 *value = bpf_map_lookup_elem(map, key), zero = 0;

	if (!value) {
		bpf_map_update_elem(map, key, &zero, BPF_NOEXIST);
		value = bpf_map_lookup_elem(map, key);
	}
	if (value)
		*value += number; /* this CPU's own */
}

SEC("xdp")
int count(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *frame = (void *)(long)ctx->data;
	struct key key = { .ifindex = ctx->ingress_ifindex };
	void *next = frame + 1;
	u16 ethertype;

	if (next > end)
		return XDP_PASS;
	ethertype = bpf_ntohs(frame->h_proto);
#pragma unroll
	for (int tag = 0; tag < VLAN_TAGS; tag++) {
		struct vlan_header *vlan = next;

		if (ethertype != ETH_P_8021Q && ethertype != ETH_P_8021AD)
			break;
		if ((void *)(vlan + 1) > end)
			return XDP_PASS;
		ethertype = bpf_ntohs(vlan->protocol);
		next = vlan + 1;
	}
	name_family(&key, ethertype);
	if (ethertype == ETH_P_IP) {
		struct iphdr *ip = next;

		if ((void *)(ip + 1) <= end)
			name_protocol(&key, ip->protocol);
	} else if (ethertype == ETH_P_IPV6) {
		struct ipv6hdr *ip = next;

		if ((void *)(ip + 1) <= end)
			name_protocol(&key, ip->nexthdr); /* of an extension header: other */
	}
	add(&counter_packets, &key, 1);
	add(&counter_bytes, &key, end - (void *)frame);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
