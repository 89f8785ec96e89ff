// SPDX-License-Identifier: GPL-2.0-only
/* How long it takes until a TCP connection that a process opens is established. */
#include "include/regs.h"
#include "include/sock.h"

struct event {
	u32 pid;
	ipv6_addr saddr;
	ipv6_addr daddr;
	u16 sport;
	u16 dport;
	duration latency;
	char comm[TASK_COMM_LEN];
};

struct start {
	u64 time;
	u32 pid;
	char comm[TASK_COMM_LEN];
};

const volatile int target_pid = 0;
const volatile u64 min_latency = 0; /* nanoseconds */

/* Who connects a socket, and since when. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct sock *);
	__type(value, struct start);
} starts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
	__type(value, struct event);
} print_latencies SEC(".maps");

static __always_inline int begin(struct sock *sk)
{
	struct start start = { .pid = bpf_get_current_pid_tgid() >> 32 };

	if (target_pid && target_pid != start.pid)
		return 0;
	start.time = bpf_ktime_get_ns();
	bpf_get_current_comm(start.comm, sizeof(start.comm));
	bpf_map_update_elem(&starts, &sk, &start, BPF_ANY);
	return 0;
}

SEC("kprobe/tcp_v4_connect")
int BPF_KPROBE(connect_v4, struct sock *sk)
{
	return begin(sk);
}

SEC("kprobe/tcp_v6_connect")
int BPF_KPROBE(connect_v6, struct sock *sk)
{
	return begin(sk);
}

/* The answer comes in whatever process runs then. */
SEC("kprobe/tcp_rcv_state_process")
int BPF_KPROBE(receive, struct sock *sk)
{
	struct start *start;
	struct event *event;
	u64 latency;

	if (BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_SYN_SENT)
		return 0;
	start = bpf_map_lookup_elem(&starts, &sk);
	if (!start)
		return 0;
	latency = bpf_ktime_get_ns() - start->time;
	if (latency < min_latency)
		goto out;
	event = bpf_ringbuf_reserve(&print_latencies, sizeof(*event), 0);
	if (!event)
		goto out;
	if (!read_addresses(sk, event->saddr, event->daddr)) {
		bpf_ringbuf_discard(event, 0);
		goto out;
	}
	event->pid = start->pid;
	event->sport = BPF_CORE_READ(sk, __sk_common.skc_num);
	event->dport = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	event->latency = latency;
	__builtin_memcpy(event->comm, start->comm, sizeof(event->comm));
	bpf_ringbuf_submit(event, 0);
out:
	bpf_map_delete_elem(&starts, &sk);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
