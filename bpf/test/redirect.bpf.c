// SPDX-License-Identifier: GPL-2.0-only
/* Programs that entries of maps hold: frames are sent to a device, or to another processor, and are
 * counted there. */
#include "hits.h"

enum row {
	DEVMAP,
	CPUMAP,
};

/* struct bpf_devmap_val and struct bpf_cpumap_val: where to, and the program. */
struct entry {
	u32 place;
	u32 program;
};

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct entry);
} devices SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_CPUMAP);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct entry);
} processors SEC(".maps");

SEC("xdp")
int pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("xdp")
int to_device(struct xdp_md *ctx)
{
	return bpf_redirect_map(&devices, 0, 0);
}

SEC("xdp")
int to_processor(struct xdp_md *ctx)
{
	return bpf_redirect_map(&processors, 0, 0);
}

SEC("xdp/devmap")
int on_devmap(struct xdp_md *ctx)
{
	hit(DEVMAP);
	return XDP_PASS;
}

SEC("xdp/cpumap")
int on_cpumap(struct xdp_md *ctx)
{
	hit(CPUMAP);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
