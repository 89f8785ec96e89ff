// SPDX-License-Identifier: GPL-2.0-only
/* TCP connections that end: how long they lived, and how much went each way. */
#include "include/sock.h"

struct event {
	u32 pid;
	ipv6_addr saddr;
	ipv6_addr daddr;
	u16 sport;
	u16 dport;
	u64 received; /* bytes */
	u64 sent;     /* bytes that the peer acknowledged */
	duration life;
	char comm[TASK_COMM_LEN];
};

struct birth {
	u64 time;
	u32 pid;
	char comm[TASK_COMM_LEN];
};

const volatile int target_pid = 0;

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, const void *);
	__type(value, struct birth);
} births SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
	__type(value, struct event);
} print_lives SEC(".maps");

/*
 * A connection's first state change within a process is its owner's: connect() for one that is
 * opened; for one that is accepted the owner is known only at its end.
 */
static __always_inline void begin(const void *sk, bool owned)
{
	struct birth birth = { .time = bpf_ktime_get_ns() };

	if (owned) {
		birth.pid = bpf_get_current_pid_tgid() >> 32;
		bpf_get_current_comm(birth.comm, sizeof(birth.comm));
	}
	bpf_map_update_elem(&births, &sk, &birth, BPF_ANY);
}

static __always_inline void end(struct trace_event_raw_inet_sock_set_state *ctx, const void *sk)
{
	struct tcp_sock *tcp = (struct tcp_sock *)sk;
	struct birth *birth;
	struct event *event;

	birth = bpf_map_lookup_elem(&births, &sk);
	if (!birth)
		return;
	if (!birth->pid) {
		birth->pid = bpf_get_current_pid_tgid() >> 32;
		bpf_get_current_comm(birth->comm, sizeof(birth->comm));
	}
	if (target_pid && target_pid != birth->pid)
		goto out;
	event = bpf_ringbuf_reserve(&print_lives, sizeof(*event), 0);
	if (!event)
		goto out;
	event->pid = birth->pid;
	event->sport = ctx->sport;
	event->dport = ctx->dport;
	if (ctx->family == AF_INET) {
		map_ipv4(event->saddr, 0);
		map_ipv4(event->daddr, 0);
		bpf_core_read(event->saddr + 12, 4, &ctx->saddr);
		bpf_core_read(event->daddr + 12, 4, &ctx->daddr);
	} else {
		bpf_core_read(event->saddr, 16, &ctx->saddr_v6);
		bpf_core_read(event->daddr, 16, &ctx->daddr_v6);
	}
	event->received = BPF_CORE_READ(tcp, bytes_received);
	event->sent = BPF_CORE_READ(tcp, bytes_acked);
	event->life = bpf_ktime_get_ns() - birth->time;
	__builtin_memcpy(event->comm, birth->comm, sizeof(event->comm));
	bpf_ringbuf_submit(event, 0);
out:
	bpf_map_delete_elem(&births, &sk);
}

SEC("tracepoint/sock/inet_sock_set_state")
int set_state(struct trace_event_raw_inet_sock_set_state *ctx)
{
	const void *sk = ctx->skaddr;

	if (ctx->protocol != IPPROTO_TCP)
		return 0;
	if (ctx->newstate == TCP_SYN_SENT)
		begin(sk, true);
	else if (ctx->newstate == TCP_ESTABLISHED && ctx->oldstate == TCP_SYN_RECV)
		begin(sk, false);
	else if (ctx->newstate == TCP_CLOSE)
		end(ctx, sk);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
