// SPDX-License-Identifier: GPL-2.0
/*
 * Questions about types: ids (LDIMM64), existence and size (ALU), flavours, kinds other than
 * struct.
 */
#include "core_types.h"

enum pid_type {
	PIDTYPE_PID,
};

enum migrate_mode___mine {
	MIGRATE_ASYNC,
} __attribute__((unused));

union thread_union {
	struct task_struct task;
};

struct task_struct___other {
	int pid;
} KERNEL;

struct mm_struct___ {
	int nothing;
};

struct no_such_struct {
	int x;
};

union no_such_union {
	int x;
};

enum no_such_enum {
	NO_SUCH_ENUMERATOR,
};

typedef struct task_struct no_such_typedef;
typedef int (*no_such_function)(int);

typedef __s32 pid_t;
typedef __u32 dev_t;
typedef struct {
	int counter;
} atomic_t;
typedef int (*initcall_t)(void);
typedef void (*smp_call_func_t)(void *);
typedef void (*work_func_t)(struct list_head *);
typedef int (*notifier_fn_t)(struct list_head *, unsigned long, void *);
typedef struct list_head *pid_t___pointer;
typedef int (*work_func_t___int)(int);
typedef void (*smp_call_func_t___two)(void *, void *);

#define STRUCTS(X)                                                                                 \
	X(struct task_struct)                                                                      \
	X(struct task_struct___other)                                                              \
	X(struct sk_buff)                                                                          \
	X(struct sock)                                                                             \
	X(struct sock_common)                                                                      \
	X(struct inode)                                                                            \
	X(struct dentry)                                                                           \
	X(struct qstr)                                                                             \
	X(struct list_head)                                                                        \
	X(struct signal_struct)                                                                    \
	X(union thread_union)                                                                      \
	X(enum pid_type)                                                                           \
	X(enum migrate_mode___mine)                                                                \
	X(pid_t)                                                                                   \
	X(dev_t)                                                                                   \
	X(atomic_t)                                                                                \
	X(kuid_t)                                                                                  \
	X(initcall_t)                                                                              \
	X(smp_call_func_t)                                                                         \
	X(work_func_t)                                                                             \
	X(notifier_fn_t)                                                                           \
	X(pid_t___pointer)                                                                         \
	X(work_func_t___int)                                                                       \
	X(smp_call_func_t___two)

#define ABSENT(X)                                                                                  \
	X(struct no_such_struct)                                                                   \
	X(struct mm_struct___)                                                                     \
	X(union no_such_union)                                                                     \
	X(enum no_such_enum)                                                                       \
	X(no_such_typedef)                                                                         \
	X(no_such_function)

#define LOCAL(type)  sink = __builtin_btf_type_id(*(type *)0, BPF_TYPE_ID_LOCAL);
#define TARGET(type) sink = __builtin_btf_type_id(*(type *)0, BPF_TYPE_ID_TARGET);
#define EXISTS(type) sink = __builtin_preserve_type_info(*(type *)0, BPF_TYPE_EXISTS);
#define SIZE(type)   sink = __builtin_preserve_type_info(*(type *)0, BPF_TYPE_SIZE);

SEC("raw_tp/sched_process_exit")
int local_ids(void *ctx)
{
	STRUCTS(LOCAL)
	ABSENT(LOCAL)
	return 0;
}

SEC("raw_tp/sched_process_exit")
int target_ids(void *ctx)
{
	STRUCTS(TARGET)
	ABSENT(TARGET)
	return 0;
}

SEC("raw_tp/sched_process_exit")
int existing(void *ctx)
{
	STRUCTS(EXISTS)
	ABSENT(EXISTS)
	return 0;
}

SEC("raw_tp/sched_process_exit")
int sizes(void *ctx)
{
	STRUCTS(SIZE)
	ABSENT(SIZE)
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
