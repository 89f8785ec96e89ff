// SPDX-License-Identifier: GPL-2.0-only
/*
 * A gadget with a stream: prctl(TRIGGER, op, number) sends a record with every kind of number that
 * has a meaning. The ring is small, and programs count the records that it has no room for.
 */
#include "gadget.h"

enum kind {
	connect,
	accept,
	close
};
enum how_set {
	FAST = 1,
	SAFE = 2,
	CHEAP = 4
};

struct event {
	gadget_timestamp timestamp_raw;
	struct gadget_process proc;
	struct gadget_l4endpoint_t src;
	struct gadget_l4endpoint_t dst;
	u64 number;
	gadget_syscall call_raw;
	gadget_bytes size_raw;
	gadget_duration took_raw;
	gadget_errno error_raw;
	gadget_signal sig_raw;
	gadget_file_flags flags_raw;
	gadget_file_mode mode_raw;
	enum kind kind_raw;
	enum how_set how_raw;
	u32 __key;
	gadget_kernel_stack stack_raw;
	u32 rest_len;
};

const volatile u32 targ_op = 1;
const volatile gadget_pid targ_pid = 0;
const volatile bool verbose = false;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} events_lost_samples SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(key_size, sizeof(u32));
	__uint(value_size, 64);
	__uint(max_entries, 0);
} ig_build_id SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 1024);
	__uint(key_size, sizeof(u32));
	__uint(value_size, 127 * sizeof(u64));
} ig_kstack SEC(".maps");

SAYS(map_tracer_events);
SAYS(tracer_calls___events___event);
const struct event *type_of_calls __attribute__((unused));
SAYS(param_targ_op);
SAYS(param_targ_pid);
SAYS(param_verbose);

TRIGGER_SEC
int enter(struct trace_event_raw_sys_enter *ctx)
{
	struct {
		struct event event;
		char rest[8];
	} record = {};
	struct event *event = &record.event;
	u32 zero = 0;
	u64 *lost;

	if (!triggered(ctx) || ctx->args[1] != targ_op)
		return 0;
	event->timestamp_raw = bpf_ktime_get_boot_ns();
	fill(&event->proc);
	if (targ_pid && event->proc.pid != targ_pid)
		return 0;
	event->src.addr_raw.v4 = 0x0100007f;
	event->src.version = 4;
	event->src.port = 80;
	event->src.proto_raw = 6;
	event->dst.addr_raw.v6[15] = 1;
	event->dst.version = 6;
	event->dst.port = 443;
	event->dst.proto_raw = 17;
	event->number = ctx->args[2];
	event->call_raw = (u32)ctx->id;
	event->size_raw = 4096;
	event->took_raw = 1500;
	event->error_raw = 2;
	event->sig_raw = 9;
	event->flags_raw = 0101;
	event->mode_raw = 0644;
	event->kind_raw = accept;
	event->how_raw = FAST | CHEAP;
	event->stack_raw = bpf_get_stackid(ctx, &ig_kstack, 0);
	event->rest_len = verbose ? 3 : 0;
	__builtin_memcpy(record.rest, "abcdefg", 8);
	if (bpf_ringbuf_output(&events, &record, sizeof(record), 0) &&
	    (lost = bpf_map_lookup_elem(&events_lost_samples, &zero)))
		*lost += 1;
	return 0;
}

SEC("kprobe/gadget_program_disabled")
int never(void *ctx)
{
	return 0;
}

SEC("perf_event/sampler")
int sample(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
