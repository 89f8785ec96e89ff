// SPDX-License-Identifier: GPL-2.0
/* Every question about a field, in the ALU form: one program a kind. */
#include "core_types.h"
#include "core_fields.h"

#define OFFSET(type, field) INFO(BPF_FIELD_BYTE_OFFSET, type, field)
#define SIZE(type, field)   INFO(BPF_FIELD_BYTE_SIZE, type, field)
#define EXISTS(type, field) INFO(BPF_FIELD_EXISTS, type, field)
#define SIGNED(type, field) INFO(BPF_FIELD_SIGNED, type, field)
#define LSHIFT(type, field) INFO(BPF_FIELD_LSHIFT_U64, type, field)
#define RSHIFT(type, field) INFO(BPF_FIELD_RSHIFT_U64, type, field)

SEC("raw_tp/sched_process_exit")
int offsets(void *ctx)
{
	INTEGERS(OFFSET)
	OTHERS(OFFSET)
	BITFIELDS(OFFSET)
	ELEMENTS(OFFSET)
	return 0;
}

SEC("raw_tp/sched_process_exit")
int sizes(void *ctx)
{
	INTEGERS(SIZE)
	OTHERS(SIZE)
	BITFIELDS(SIZE)
	ELEMENTS(SIZE)
	return 0;
}

SEC("raw_tp/sched_process_exit")
int existing(void *ctx)
{
	INTEGERS(EXISTS)
	OTHERS(EXISTS)
	BITFIELDS(EXISTS)
	ELEMENTS(EXISTS)
	return 0;
}

SEC("raw_tp/sched_process_fork")
int signs(void *ctx)
{
	INTEGERS(SIGNED)
	BITFIELDS(SIGNED)
	return 0;
}

SEC("raw_tp/sched_process_fork")
int left_shifts(void *ctx)
{
	INTEGERS(LSHIFT)
	BITFIELDS(LSHIFT)
	return 0;
}

SEC("raw_tp/sched_process_fork")
int right_shifts(void *ctx)
{
	INTEGERS(RSHIFT)
	BITFIELDS(RSHIFT)
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
