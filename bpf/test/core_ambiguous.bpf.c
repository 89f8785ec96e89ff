// SPDX-License-Identifier: GPL-2.0
/*
 * Names that kernels have twice: candidates that agree are accepted, and those that fit one
 * relocation stay.
 */
#include "core_types.h"

struct perf_event_header {
	__u32 type;
	__u16 misc;
	__u16 size;
} KERNEL;

/* three structs of that name in kernel/events: they agree about the header */
struct perf_aux_event {
	struct perf_event_header header;
	__u32 tid;
} KERNEL;

struct perf_aux_event___hardware {
	struct perf_event_header header;
	__u64 hw_id;
} KERNEL;

/* one in include/linux/dmaengine.h, one in asm/dma.h */
struct dma_chan {
	int chan_id;
	const char *device_id;
} KERNEL;

struct dma_chan___isa {
	int lock;
	const char *device_id;
} KERNEL;

/* nf_conn___init is the kernel's own flavour */
struct nf_conn {
	unsigned long status;
} KERNEL;

struct console {
	short flags;
} KERNEL;

SEC("raw_tp/sched_process_exit")
int agreeing(void *ctx)
{
	sink = bpf_core_field_exists(struct perf_aux_event, header);
	sink = bpf_core_type_exists(struct perf_aux_event);
	sink = bpf_core_field_size(struct perf_aux_event, header.misc);
	sink = bpf_core_type_exists(struct console);
	sink = bpf_core_type_exists(struct dma_chan);
	sink = bpf_core_field_exists(struct nf_conn, status);
	return 0;
}

/* the first relocation leaves one candidate to the ones after it */
SEC("raw_tp/sched_process_exit")
int narrowed(void *ctx)
{
	sink = bpf_core_field_exists(struct perf_aux_event___hardware, hw_id);
	sink = bpf_core_type_size(struct perf_aux_event___hardware);
	sink = bpf_core_type_id_kernel(struct perf_aux_event___hardware);
	sink = bpf_core_field_exists(struct dma_chan___isa, lock);
	sink = bpf_core_type_size(struct dma_chan___isa);
	sink = bpf_core_field_size(struct console, flags);
	sink = bpf_core_type_size(struct console);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
