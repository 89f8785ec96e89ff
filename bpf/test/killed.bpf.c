// SPDX-License-Identifier: GPL-2.0-only
/* One program of each mechanism, and maps: what a run that is killed may leave behind. */
#include "hits.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
	__type(value, u64);
} print_ends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, u32);
	__type(value, u64);
} counter_ends SEC(".maps");

u64 ends;

SEC("tracepoint/sched/sched_process_exit")
int on_tracepoint(void *ctx)
{
	u32 cpu = bpf_get_smp_processor_id();
	u64 number = __sync_fetch_and_add(&ends, 1);

	bpf_map_update_elem(&counter_ends, &cpu, &number, BPF_ANY);
	bpf_ringbuf_output(&print_ends, &number, sizeof(number), 0);
	return 0;
}

SEC("raw_tp/sched_process_exit")
int on_raw(void *ctx)
{
	hit(0);
	return 0;
}

SEC("uprobe/libc.so.6:getenv")
int on_call(void *ctx)
{
	hit(1);
	return 0;
}

SEC("uretprobe/libc.so.6:getenv")
int on_return(void *ctx)
{
	hit(2);
	return 0;
}

SEC("xdp")
int on_frame(struct xdp_md *ctx)
{
	hit(3);
	return XDP_PASS;
}

SEC("tc")
int on_packet(struct __sk_buff *skb)
{
	hit(4);
	return -1; /* TC_ACT_UNSPEC */
}

SEC("cgroup_skb/egress")
int on_egress(struct __sk_buff *skb)
{
	hit(5);
	return 1; /* let it go */
}

SEC("flow_dissector")
int on_flow(struct __sk_buff *skb)
{
	return BPF_OK;
}

char LICENSE[] SEC("license") = "GPL";
