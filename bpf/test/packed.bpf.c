// SPDX-License-Identifier: GPL-2.0-only
/*
 * A kprobe for images of several formats: prctl(TRIGGER, op, number) sends a record, as a gadget
 * says it, and adds the number to a table, which ebpf_exporter and bpfman know.
 */
#include "../include/regs.h"
#include "gadget.h"

struct call {
	struct gadget_process proc;
	u64 number;
	u32 op;
	gadget_errno error_raw;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, u32);
	__type(value, u64);
} numbers_total SEC(".maps");

SAYS(tracer_calls___events___call);
const struct call *type_of_calls __attribute__((unused));

SEC("kprobe/cap_task_prctl")
int BPF_KPROBE(enter, int option, unsigned long op, unsigned long number)
{
	struct call *call;
	u64 *sum, zero = 0;
	u32 key = op;

	if (option != TRIGGER)
		return 0;
	bpf_map_update_elem(&numbers_total, &key, &zero, BPF_NOEXIST);
	sum = bpf_map_lookup_elem(&numbers_total, &key);
	if (sum)
		__sync_fetch_and_add(sum, number);
	call = bpf_ringbuf_reserve(&events, sizeof(*call), 0);
	if (!call)
		return 0;
	__builtin_memset(call, 0, sizeof(*call));
	fill(&call->proc);
	call->number = number;
	call->op = op;
	call->error_raw = 2;
	bpf_ringbuf_submit(call, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
