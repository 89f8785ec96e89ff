// SPDX-License-Identifier: GPL-2.0-only
/*
 * Maps for tests/kernel/exporter.yaml: prctl(TRIGGER, op, number) adds to each of them.
 *
 * The key of calls_total has two bytes that its YAML skips; latency_seconds has the sum of all
 * numbers in the bucket after the last.
 */
#include "trigger.h"

#define BUCKETS 5

struct call_key {
	u32 pid;
	u16 op;
	u16 unused;
	char comm[TASK_COMM_LEN];
	u64 cgroup;
	u64 address;
	u8 ip[4];
	u32 ifindex;
	u64 error;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct call_key);
	__type(value, u64);
} calls_total SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} all_total SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} by_cpu_total SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 64);
	__type(key, u32);
	__type(value, u64);
} by_op_total SEC(".maps");

struct bucket_key {
	u32 op;
	u32 bucket;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct bucket_key);
	__type(value, u64);
} latency_seconds SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__type(key, u32);
	__type(value, u32);
} events_total SEC(".maps");

struct span {
	u64 trace_id;
	u64 start_ns;
	u32 op;
	char comm[TASK_COMM_LEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
} spans SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, u64);
	__type(value, u64);
} chosen_cgroups SEC(".maps");

const volatile u64 kaddr_vfs_read = 0;

static __always_inline void add(void *map, void *key, u64 number)
{
	u64 *value, zero = 0;

	bpf_map_update_elem(map, key, &zero, BPF_NOEXIST);
	value = bpf_map_lookup_elem(map, key);
	if (value)
		__sync_fetch_and_add(value, number);
}

TRIGGER_SEC
int count(struct trace_event_raw_sys_enter *ctx)
{
	struct call_key call = { .ip = { 10, 1, 2, 3 }, .ifindex = 1 };
	u32 zero = 0, op = ctx->args[1], log2 = 0;
	u64 number = ctx->args[2], left = number, cgroup;
	struct bucket_key bucket = {};
	struct span *span;
	int i;

	if (!triggered(ctx))
		return 0;
	cgroup = bpf_get_current_cgroup_id();
	call.pid = bpf_get_current_pid_tgid() >> 32;
	call.op = op;
	call.unused = op;
	call.cgroup = cgroup;
	call.address = kaddr_vfs_read;
	call.error = op;
	bpf_get_current_comm(call.comm, sizeof(call.comm));
	add(&calls_total, &call, 1);
	add(&all_total, &zero, 1);
	add(&by_cpu_total, &zero, 1);
	add(&by_op_total, &op, 1);
	for (i = 0; i < BUCKETS - 1; i++) {
		if (left > 1) {
			left >>= 1;
			log2++;
		}
	}
	bucket.op = op;
	bucket.bucket = log2;
	add(&latency_seconds, &bucket, 1);
	bucket.bucket = BUCKETS;
	add(&latency_seconds, &bucket, number);
	bpf_perf_event_output(ctx, &events_total, BPF_F_CURRENT_CPU, &call, 8);
	span = bpf_ringbuf_reserve(&spans, sizeof(*span), 0);
	if (!span)
		return 0;
	span->trace_id = bpf_map_lookup_elem(&chosen_cgroups, &cgroup) ? 1 : 0;
	span->start_ns = bpf_ktime_get_ns();
	span->op = op;
	__builtin_memcpy(span->comm, call.comm, sizeof(span->comm));
	bpf_ringbuf_submit(span, 0);
	return 0;
}

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} samples_total SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 16);
	__type(key, u16);
	__type(value, u64);
} packets_total SEC(".maps");

/* a clock of the kernel, 99 times a second */
SEC("perf_event/type=1,config=0,frequency=99")
int sample(void *ctx)
{
	u32 zero = 0;

	add(&samples_total, &zero, 1);
	return 0;
}

SEC("xdp/lo")
int packet(struct xdp_md *ctx)
{
	u16 length = ctx->data_end - ctx->data;

	add(&packets_total, &length, 1);
	return XDP_PASS;
}

/* no kernel has this function: the program is left out */
SEC("kprobe/no_such_function_of_beepy")
int absent(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
