// SPDX-License-Identifier: GPL-2.0
/*
 * An unsigned enumerator above INT_MAX: libbpf compares the constant with a sign that it does not
 * have.
 */
#include "core_types.h"

enum bpf_map_type___big {
	BPF_MAP_TYPE_HASH = 0x80000001U,
};

SEC("raw_tp/sched_process_exit")
int refused(void *ctx)
{
	sink = bpf_core_enum_value_exists(enum bpf_map_type___big, BPF_MAP_TYPE_HASH);
	sink = bpf_core_enum_value(enum bpf_map_type___big, BPF_MAP_TYPE_HASH);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
