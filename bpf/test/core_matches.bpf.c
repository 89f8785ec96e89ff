// SPDX-License-Identifier: GPL-2.0
/* Types that match by kinds, names and members; clang knows the question from 15 on. */
#include "core_types.h"

/* exact subsets of the kernel's */
struct list_head___same {
	struct list_head *next, *prev;
};
struct list_head___one {
	struct list_head *prev;
};
struct list_head___renamed {
	struct list_head *following;
};
struct list_head___kind {
	struct task_struct *next;
};
struct list_head___value {
	int next;
};
struct hlist_node;
struct hlist_head {
	struct hlist_node *first;
};
struct hlist_head___forward {
	struct hlist_node___forward *first;
};
union hlist_head___union {
	struct hlist_node *first;
};
struct qstr___unsigned {
	const unsigned char *name;
};
struct qstr___signed {
	const signed char *name;
};
struct task_struct___match {
	int pid, exit_code;
	char comm[16];
	struct task_struct *real_parent;
};
struct task_struct___length {
	char comm[17];
};
struct task_struct___sign {
	unsigned int pid;
};
struct task_struct___width {
	long pid;
};
struct sched_entity___match {
	__u64 vruntime;
};
struct signal_struct___match {
	int group_exit_code;
	struct list_head thread_head;
};
struct signal_struct___flavoured {
	struct list_head___one thread_head;
};
enum pid_type {
	PIDTYPE_PID,
	PIDTYPE_TGID,
};
enum pid_type___extra {
	PIDTYPE_PID___extra,
	PIDTYPE_NO_SUCH,
};
enum pid_type___flavoured {
	PIDTYPE_SID___flavour = 99,
};
enum pid_type___wide {
	PIDTYPE_MAX___wide = 0x100000000ULL,
};
enum perf_callchain_context {
	PERF_CONTEXT_USER = 0x123456789abcdefULL,
};
enum perf_callchain_context___narrow {
	PERF_CONTEXT_USER___narrow = 1,
};

typedef __s32 pid_t;
typedef __u32 pid_t___unsigned;
typedef void (*smp_call_func_t)(void *);
typedef void (*smp_call_func_t___two)(void *, int);
typedef int (*smp_call_func_t___int)(void *);
struct notifier_block;
typedef int (*notifier_fn_t)(struct notifier_block *, unsigned long, void *);
typedef int (*notifier_fn_t___other)(struct task_struct *, unsigned long, void *);

#define TYPES(X)                                                                                   \
	X(struct list_head___same)                                                                 \
	X(struct list_head___one)                                                                  \
	X(struct list_head___renamed)                                                              \
	X(struct list_head___kind)                                                                 \
	X(struct list_head___value)                                                                \
	X(struct hlist_head)                                                                       \
	X(struct hlist_head___forward)                                                             \
	X(union hlist_head___union)                                                                \
	X(struct qstr___unsigned)                                                                  \
	X(struct qstr___signed)                                                                    \
	X(struct task_struct___match)                                                              \
	X(struct task_struct___length)                                                             \
	X(struct task_struct___sign)                                                               \
	X(struct task_struct___width)                                                              \
	X(struct sched_entity___match)                                                             \
	X(struct signal_struct___match)                                                            \
	X(struct signal_struct___flavoured)                                                        \
	X(struct task_struct)                                                                      \
	X(struct qstr)                                                                             \
	X(struct path)                                                                             \
	X(struct super_block)                                                                      \
	X(enum pid_type)                                                                           \
	X(enum pid_type___extra)                                                                   \
	X(enum pid_type___flavoured)                                                               \
	X(enum pid_type___wide)                                                                    \
	X(enum perf_callchain_context)                                                             \
	X(enum perf_callchain_context___narrow)                                                    \
	X(pid_t)                                                                                   \
	X(pid_t___unsigned)                                                                        \
	X(smp_call_func_t)                                                                         \
	X(smp_call_func_t___two)                                                                   \
	X(smp_call_func_t___int)                                                                   \
	X(notifier_fn_t)                                                                           \
	X(notifier_fn_t___other)

#define MATCHES(type) sink = __builtin_preserve_type_info(*(type *)0, BPF_TYPE_MATCHES);

SEC("raw_tp/sched_process_exit")
int matching(void *ctx)
{
#if __clang_major__ >= 15
	TYPES(MATCHES)
#endif
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
