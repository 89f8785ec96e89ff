/* SPDX-License-Identifier: GPL-2.0-only */
/* Maps of objects that tests compile from text. */
#ifndef BEEPY_MAPS_H
#define BEEPY_MAPS_H

/* A ring buffer with records of this type, large enough that nothing is lost. */
#define RING(name, record)                                                                         \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_RINGBUF);                                                \
		__uint(max_entries, 1 << 20);                                                      \
		__type(value, record);                                                             \
	} name SEC(".maps")

/* A map of stacks, of as many frames as the kernel collects by default. */
#define STACKS(name, entries) STACKS_OF(name, entries, 0, u64)

/* The same with offsets in files in the place of addresses. */
#define STACKS_BY_BUILD_ID(name, entries)                                                          \
	STACKS_OF(name, entries, BPF_F_STACK_BUILD_ID, struct bpf_stack_build_id)

#define STACKS_OF(name, entries, flags, frame)                                                     \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_STACK_TRACE);                                            \
		__uint(max_entries, entries);                                                      \
		__uint(key_size, sizeof(u32));                                                     \
		__uint(value_size, 127 * sizeof(frame));                                           \
		__uint(map_flags, flags);                                                          \
	} name SEC(".maps")

#endif
