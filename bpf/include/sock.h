/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What our programs read of sockets. An IPv4 address is stored as IPv6 maps it (::ffff:a.b.c.d):
 * one member holds either kind.
 */
#ifndef BEEPY_SOCK_H
#define BEEPY_SOCK_H

#include "core.h"
#include "solo_types.h"
#include <bpf/bpf_endian.h>

#define AF_INET	    2
#define AF_INET6    10
#define IPPROTO_TCP 6

#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT	2
#define TCP_SYN_RECV	3
#define TCP_CLOSE	7

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct in6_addr {
	union {
		u8 u6_addr8[16];
	} in6_u;
};

struct sock_common {
	u16 skc_family;
	volatile unsigned char skc_state;
	u16 skc_dport; /* big endian */
	u16 skc_num;
	u32 skc_rcv_saddr;
	u32 skc_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	struct in6_addr skc_v6_daddr;
};

struct sock {
	struct sock_common __sk_common;
};

struct tcp_sock {
	u64 bytes_received;
	u64 bytes_acked;
};

struct trace_event_raw_inet_sock_set_state {
	const void *skaddr;
	int oldstate;
	int newstate;
	u16 sport;
	u16 dport;
	u16 family;
	u16 protocol;
	u8 saddr[4];
	u8 daddr[4];
	u8 saddr_v6[16];
	u8 daddr_v6[16];
};

#pragma clang attribute pop

static __always_inline void map_ipv4(u8 *to, u32 address)
{
	__builtin_memset(to, 0, 10);
	to[10] = 0xff;
	to[11] = 0xff;
	__builtin_memcpy(to + 12, &address, sizeof(address));
}

/* Read both addresses of a socket; tell whether its family has any. */
static __always_inline bool read_addresses(struct sock *sk, u8 *saddr, u8 *daddr)
{
	u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	if (family == AF_INET) {
		map_ipv4(saddr, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
		map_ipv4(daddr, BPF_CORE_READ(sk, __sk_common.skc_daddr));
		return true;
	}
	if (family != AF_INET6)
		return false;
	bpf_core_read(saddr, 16, &sk->__sk_common.skc_v6_rcv_saddr.in6_u.u6_addr8);
	bpf_core_read(daddr, 16, &sk->__sk_common.skc_v6_daddr.in6_u.u6_addr8);
	return true;
}

#endif
