// SPDX-License-Identifier: GPL-2.0
/*
 * Enumerators: existence and value (both LDIMM64), flavours of the enum and of its names, signed
 * and 64-bit enums.
 */
#include "core_types.h"

/* the numbers are wrong on purpose: the kernel's count */
enum pid_type {
	PIDTYPE_SID = 11,
	PIDTYPE_PID = 12,
	PIDTYPE_TGID = 13,
	PIDTYPE_NONE = 14,
};

enum bpf_map_type___old {
	BPF_MAP_TYPE_HASH = 101,
	BPF_MAP_TYPE_RINGBUF___flavour = 127,
	BPF_MAP_TYPE_NO_SUCH = 55,
};

enum hrtimer_mode {
	HRTIMER_MODE_REL = -7,
	HRTIMER_MODE_ABS_PINNED = 200,
	HRTIMER_MODE_NO_SUCH = -1,
};

/* signed in the kernel */
enum hk_type___mine {
	HK_NO_SUCH = -5,
};

enum ftrace_dump_mode {
	DUMP_NONE = -1,
	DUMP_ORIG = 5,
};

enum no_such_enum {
	NO_SUCH = 3,
};

/* defined twice in the kernel, with names of their own */
enum nf_ip_trace_comments {
	NF_IP_TRACE_COMMENT_POLICY = 77,
	NF_IP6_TRACE_COMMENT_RULE = 78,
};

/* 64 bits in the kernel; 32 here */
enum perf_callchain_context___narrow {
	PERF_CONTEXT_KERNEL = 1,
};

#if __clang_major__ >= 15
/* 64 bits here */
enum perf_callchain_context {
	PERF_CONTEXT_USER = 0x123456789abcdefULL,
	PERF_CONTEXT_MAX = 0x200000000ULL,
	PERF_CONTEXT_NO_SUCH = 0x300000000ULL,
};

enum pid_type___wide {
	PIDTYPE_PGID = -0x100000000LL,
	PIDTYPE_MAX = 0x7fffffffffffffLL,
};

#define WIDE(X)                                                                                    \
	X(enum perf_callchain_context, PERF_CONTEXT_USER)                                          \
	X(enum perf_callchain_context, PERF_CONTEXT_MAX)                                           \
	X(enum pid_type___wide, PIDTYPE_PGID)                                                      \
	X(enum pid_type___wide, PIDTYPE_MAX)
#define WIDE_ABSENT(X) X(enum perf_callchain_context, PERF_CONTEXT_NO_SUCH)
#else
#define WIDE(X)
#define WIDE_ABSENT(X)
#endif

#define PRESENT(X)                                                                                 \
	X(enum pid_type, PIDTYPE_SID)                                                              \
	X(enum pid_type, PIDTYPE_PID)                                                              \
	X(enum pid_type, PIDTYPE_TGID)                                                             \
	X(enum bpf_map_type___old, BPF_MAP_TYPE_HASH)                                              \
	X(enum bpf_map_type___old, BPF_MAP_TYPE_RINGBUF___flavour)                                 \
	X(enum hrtimer_mode, HRTIMER_MODE_REL)                                                     \
	X(enum hrtimer_mode, HRTIMER_MODE_ABS_PINNED)                                              \
	X(enum ftrace_dump_mode, DUMP_NONE)                                                        \
	X(enum ftrace_dump_mode, DUMP_ORIG)                                                        \
	X(enum nf_ip_trace_comments, NF_IP_TRACE_COMMENT_POLICY)                                   \
	X(enum perf_callchain_context___narrow, PERF_CONTEXT_KERNEL)                               \
	WIDE(X)

#define ABSENT(X)                                                                                  \
	X(enum pid_type, PIDTYPE_NONE)                                                             \
	X(enum bpf_map_type___old, BPF_MAP_TYPE_NO_SUCH)                                           \
	X(enum hrtimer_mode, HRTIMER_MODE_NO_SUCH)                                                 \
	X(enum hk_type___mine, HK_NO_SUCH)                                                         \
	X(enum no_such_enum, NO_SUCH)                                                              \
	WIDE_ABSENT(X)

#define EXISTS(type, name) sink = bpf_core_enum_value_exists(type, name);
#define VALUE(type, name)  sink = bpf_core_enum_value(type, name);
#define GUARDED(type, name)                                                                        \
	if (bpf_core_enum_value_exists(type, name))                                                \
		sink = bpf_core_enum_value(type, name);

SEC("raw_tp/sched_process_exit")
int existing(void *ctx)
{
	PRESENT(EXISTS)
	ABSENT(EXISTS)
	return 0;
}

SEC("raw_tp/sched_process_exit")
int values(void *ctx)
{
	PRESENT(VALUE)
	return 0;
}

/* the value of a missing one is poisoned, and never reached */
SEC("raw_tp/sched_process_exit")
int guarded(void *ctx)
{
	PRESENT(GUARDED)
	ABSENT(GUARDED)
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
