// SPDX-License-Identifier: GPL-2.0-only
/* How long disks take to answer, in microseconds, as a histogram for each disk and kind of request.
 */
#include "include/core.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct trace_event_raw_block_rq {
	u32 dev;
	u64 sector;
	char rwbs[8];
};

/* before v5.17 ("block: fix rq-qos breakage from skipping rq_qos_done_bio()") and after: the same
 * members */
struct trace_event_raw_block_rq_completion {
	u32 dev;
	u64 sector;
};

struct trace_event_raw_block_rq_complete {
	u32 dev;
	u64 sector;
};

#pragma clang attribute pop

struct place {
	u64 sector;
	u64 dev;
};

struct request {
	u64 time;
	char kind;
};

struct event {
	u32 major;
	u32 minor;
	char op[2];
	usecs le;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct place);
	__type(value, struct request);
} requests SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
	__type(value, struct event);
} hist_biolatency SEC(".maps");

SEC("tracepoint/block/block_rq_issue")
int issue(struct trace_event_raw_block_rq *ctx)
{
	struct place place = { .sector = ctx->sector, .dev = ctx->dev };
	struct request request = { .time = bpf_ktime_get_ns() };

	bpf_core_read(&request.kind, 1, &ctx->rwbs);
	bpf_map_update_elem(&requests, &place, &request, BPF_ANY);
	return 0;
}

SEC("tracepoint/block/block_rq_complete")
int complete(struct trace_event_raw_block_rq_completion *ctx)
{
	struct trace_event_raw_block_rq_complete *old = (void *)ctx;
	struct place place = {};
	struct request *request;
	struct event *event;

	/* read, not loaded: the verifier wants one constant offset for each load from the context
	 */
	if (bpf_core_field_exists(ctx->sector)) {
		bpf_core_read(&place.sector, sizeof(place.sector), &ctx->sector);
		bpf_core_read(&place.dev, 4, &ctx->dev);
	} else {
		bpf_core_read(&place.sector, sizeof(place.sector), &old->sector);
		bpf_core_read(&place.dev, 4, &old->dev);
	}
	request = bpf_map_lookup_elem(&requests, &place);
	if (!request)
		return 0;
	event = bpf_ringbuf_reserve(&hist_biolatency, sizeof(*event), 0);
	if (event) {
		event->major = place.dev >> 20;
		event->minor = place.dev & 0xfffff;
		event->op[0] = request->kind;
		event->op[1] = 0;
		event->le = (bpf_ktime_get_ns() - request->time) / 1000;
		bpf_ringbuf_submit(event, 0);
	}
	bpf_map_delete_elem(&requests, &place);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
