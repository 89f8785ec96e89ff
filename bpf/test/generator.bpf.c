// SPDX-License-Identifier: GPL-2.0-only
/* Fill a ring buffer with records of exitsnoop's layout, as fast as the kernel can: for benchmarks
 * and tests. */
#include "../include/core.h"

#define UNIQUE 0 /* cardinality 0: every record differs */

struct event {
	u64 start_time;
	u64 exit_time;
	u32 pid;
	u32 tid;
	u32 ppid;
	u32 sig;
	int exit_code;
	char comm[TASK_COMM_LEN];
};

/* The program's context: the caller fills the first half, the program the second. */
struct request {
	u64 n;		 /* records, at most 2^23: bpf_loop() takes no more */
	u32 cardinality; /* how many different records */
	u32 flags;	 /* of bpf_ringbuf_submit() */
	u64 sent;
	u64 dropped; /* the ring was full */
};

struct state {
	u64 first;
	u32 cardinality;
	u32 flags;
	u64 sent;
	u64 dropped;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 24);
	__type(value, struct event);
} print_events SEC(".maps");

u64 sequence; /* records tried so far: the next run goes on from here */

static long produce(u32 index, void *context)
{
	struct state *state = context;
	u64 number = state->first + index;
	u64 kind = state->cardinality == UNIQUE ? number : number % state->cardinality;
	struct event *event = bpf_ringbuf_reserve(&print_events, sizeof(*event), 0);

	if (!event) {
		state->dropped++;
		return 0;
	}
	event->start_time = 1000000 + kind * 997;
	event->exit_time = 2000000 + kind * 1009;
	event->pid = 1000 + (kind & 0xfffff);
	event->tid = 1000 + (kind & 0xfffff);
	event->ppid = 1 + (kind & 63);
	event->sig = kind & 15;
	event->exit_code = kind & 0xff;
	__builtin_memcpy(event->comm, "worker-aa\0\0\0\0\0\0", sizeof(event->comm));
	event->comm[7] += kind & 15;
	event->comm[8] += kind >> 4 & 15;
	bpf_ringbuf_submit(event, state->flags);
	state->sent++;
	return 0;
}

SEC("syscall")
int generate(struct request *request)
{
	struct state state = {
		.first = sequence,
		.cardinality = request->cardinality,
		.flags = request->flags,
	};

	if (bpf_loop(request->n, produce, &state, 0) < 0)
		return __LINE__;
	sequence += request->n;
	request->sent = state.sent;
	request->dropped = state.dropped;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
