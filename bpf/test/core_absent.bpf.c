// SPDX-License-Identifier: GPL-2.0
/*
 * Fields and types that no kernel has, or has of another kind: poisoned where a number is
 * wanted, and never reached.
 */
#include "core_types.h"

struct task_struct___old {
	long state;
	int no_such_field;
	int no_such_array[4];
	struct {
		int inner;
	} no_such_struct;
	unsigned no_such_bits : 3;
	struct task_struct *pid; /* a pointer: the kernel's is an int */
	int signal;		 /* an int: the kernel's is a pointer */
	int comm;		 /* an int: the kernel's is an array */
	struct {
		__u64 no_such_member;
	} se;
} KERNEL;

struct task_struct___new {
	unsigned int __state;
	char comm[1000];
} KERNEL;

struct sk_buff___long {
	char cb[4096];
	void *len;
} KERNEL;

struct no_such_struct {
	int x;
	int array[3];
	unsigned bits : 5;
} KERNEL;

#define FIELDS(X)                                                                                  \
	X(task_struct___old, no_such_field)                                                        \
	X(task_struct___old, no_such_struct.inner)                                                 \
	X(task_struct___old, signal)                                                               \
	X(task_struct___old, comm)                                                                 \
	X(task_struct___old, se.no_such_member)                                                    \
	X(no_such_struct, x)

#define BITS(X)                                                                                    \
	X(task_struct___old, no_such_bits)                                                         \
	X(no_such_struct, bits)

#define OTHERS(X)                                                                                  \
	X(task_struct___old, no_such_array)                                                        \
	X(task_struct___old, no_such_array[2])                                                     \
	X(task_struct___old, pid)                                                                  \
	X(task_struct___new, comm[999])                                                            \
	X(sk_buff___long, cb[4095])                                                                \
	X(sk_buff___long, len)                                                                     \
	X(no_such_struct, array[1])

#define FIELD(type, field)	(((struct type *)0)->field)
#define INFO(kind, type, field) __builtin_preserve_field_info(FIELD(type, field), kind)
#define EXISTS(type, field)	sink = INFO(BPF_FIELD_EXISTS, type, field);
#define GUARDED(kind, type, field)                                                                 \
	if (INFO(BPF_FIELD_EXISTS, type, field))                                                   \
		sink = INFO(kind, type, field);
#define OFFSET(type, field) GUARDED(BPF_FIELD_BYTE_OFFSET, type, field)
#define SIZE(type, field)   GUARDED(BPF_FIELD_BYTE_SIZE, type, field)
#define SIGNED(type, field) GUARDED(BPF_FIELD_SIGNED, type, field)
#define LSHIFT(type, field) GUARDED(BPF_FIELD_LSHIFT_U64, type, field)
#define RSHIFT(type, field) GUARDED(BPF_FIELD_RSHIFT_U64, type, field)

SEC("raw_tp/sched_process_exit")
int existing(void *ctx)
{
	FIELDS(EXISTS)
	BITS(EXISTS)
	OTHERS(EXISTS)
	return 0;
}

SEC("raw_tp/sched_process_exit")
int places(void *ctx)
{
	FIELDS(OFFSET)
	BITS(OFFSET)
	OTHERS(OFFSET)
	FIELDS(SIZE)
	BITS(SIZE)
	OTHERS(SIZE)
	return 0;
}

SEC("raw_tp/sched_process_exit")
int shapes(void *ctx)
{
	FIELDS(SIGNED)
	BITS(SIGNED)
	FIELDS(LSHIFT)
	BITS(LSHIFT)
	FIELDS(RSHIFT)
	BITS(RSHIFT)
	return 0;
}

/* the usual idiom: a field that changed its name */
SEC("tp_btf/sched_process_exit")
int renamed(__u64 *ctx)
{
	struct task_struct___old *old = (void *)ctx[0];
	struct task_struct___new *new = (void *)ctx[0];

	if (bpf_core_field_exists(new->__state))
		sink = new->__state;
	else
		sink = old->state;
	if (bpf_core_field_exists(old->no_such_field)) {
		sink = old->no_such_field;
		sink = old->no_such_array[3];
	}
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
