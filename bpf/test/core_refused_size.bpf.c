// SPDX-License-Identifier: GPL-2.0
/* Two structs of one name have different sizes: libbpf refuses to choose. */
#include "core_types.h"

struct dma_chan {
	int x;
};

SEC("raw_tp/sched_process_exit")
int ambiguous(void *ctx)
{
	sink = bpf_core_type_exists(struct dma_chan);
	sink = bpf_core_type_size(struct dma_chan);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
