// SPDX-License-Identifier: GPL-2.0-only
/* Every TCP connection that a process opens. */
#include "include/regs.h"
#include "include/sock.h"

struct event {
	u32 pid;
	u32 uid;
	ipv6_addr saddr;
	ipv6_addr daddr;
	u16 sport;
	u16 dport;
	char comm[TASK_COMM_LEN];
};

const volatile int target_pid = 0;
const volatile u32 target_uid = -1; /* -1: all */

/* The socket that a thread connects, until the kernel answers. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, u32);
	__type(value, struct sock *);
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
	__type(value, struct event);
} print_connects SEC(".maps");

static __always_inline int enter(struct sock *sk)
{
	u64 id = bpf_get_current_pid_tgid();
	u32 tid = (u32)id;

	if (target_pid && target_pid != id >> 32)
		return 0;
	if (target_uid != -1 && target_uid != (u32)bpf_get_current_uid_gid())
		return 0;
	bpf_map_update_elem(&sockets, &tid, &sk, BPF_ANY);
	return 0;
}

static __always_inline int leave(int ret)
{
	u64 id = bpf_get_current_pid_tgid();
	struct event *event;
	struct sock **sk;
	u32 tid = (u32)id;

	sk = bpf_map_lookup_elem(&sockets, &tid);
	if (!sk)
		return 0;
	if (ret)
		goto out; /* no SYN was sent */
	event = bpf_ringbuf_reserve(&print_connects, sizeof(*event), 0);
	if (!event)
		goto out;
	if (!read_addresses(*sk, event->saddr, event->daddr)) {
		bpf_ringbuf_discard(event, 0);
		goto out;
	}
	event->pid = id >> 32;
	event->uid = bpf_get_current_uid_gid();
	event->sport = BPF_CORE_READ(*sk, __sk_common.skc_num);
	event->dport = bpf_ntohs(BPF_CORE_READ(*sk, __sk_common.skc_dport));
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	bpf_ringbuf_submit(event, 0);
out:
	bpf_map_delete_elem(&sockets, &tid);
	return 0;
}

SEC("kprobe/tcp_v4_connect")
int BPF_KPROBE(enter_v4, struct sock *sk)
{
	return enter(sk);
}

SEC("kprobe/tcp_v6_connect")
int BPF_KPROBE(enter_v6, struct sock *sk)
{
	return enter(sk);
}

SEC("kretprobe/tcp_v4_connect")
int BPF_KRETPROBE(leave_v4, int ret)
{
	return leave(ret);
}

SEC("kretprobe/tcp_v6_connect")
int BPF_KRETPROBE(leave_v6, int ret)
{
	return leave(ret);
}

char LICENSE[] SEC("license") = "GPL";
