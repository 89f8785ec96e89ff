// SPDX-License-Identifier: GPL-2.0-only
/* Fill a ring buffer with records of exitsnoop's layout, as fast as the kernel can: for benchmarks
 * and tests. */
#include "generated.h"

#define UNIQUE 0 /* cardinality 0: every record differs */

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
	fill(event, kind);
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
