/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Kernel types as the CO-RE tests see them: few members, in an order and with gaps that no kernel
 * has, so that a relocation that is not applied gives a wrong number.
 */
#ifndef CORE_TYPES_H
#define CORE_TYPES_H

typedef signed char __s8;
typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define KERNEL __attribute__((preserve_access_index))

/* what a relocation became goes here, so that no compiler drops it */
volatile __u64 sink;

/* the compiler knows nothing about p after this */
#define HIDE(p) asm volatile("" : "+r"(p))

struct list_head {
	struct list_head *next, *prev;
} KERNEL;

struct qstr {
	union {
		struct {
			__u32 hash;
			__u32 len;
		};
		__u64 hash_len;
	};
	const unsigned char *name;
} KERNEL;

struct sched_entity {
	__u64 exec_start;
	__u64 sum_exec_runtime;
	__u64 vruntime;
} KERNEL;

typedef struct {
	__u32 val;
} kuid_t;

struct cred {
	kuid_t euid;
	kuid_t uid;
} KERNEL;

struct pid;
struct mm_struct;

struct signal_struct {
	int group_exit_code;
	int nr_threads;
	unsigned long min_flt;
	struct list_head thread_head;
	__u64 sum_sched_runtime;
	bool oom_flag_origin;
	unsigned is_child_subreaper : 1;
	unsigned has_child_subreaper : 1;
} KERNEL;

struct task_struct {
	char comm[16];
	int exit_code;
	int exit_signal;
	int pid;
	int tgid;
	unsigned frozen : 1;
	unsigned in_iowait : 1;
	unsigned sched_reset_on_fork : 1;
	unsigned sched_contributes_to_load : 1;
	unsigned in_execve : 1;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct signal_struct *signal;
	struct mm_struct *mm;
	const struct cred *cred;
	unsigned int flags;
	unsigned int __state;
	unsigned int policy;
	int prio, static_prio, normal_prio;
	struct sched_entity se;
	struct list_head tasks, children;
	__u64 utime, stime;
	__u64 start_time;
	unsigned long nvcsw, nivcsw;
	unsigned short migration_disabled;
} KERNEL;

struct sk_buff {
	union {
		struct {
			struct sk_buff *next, *prev;
		};
		struct list_head list;
	};
	char cb[48];
	unsigned int len, data_len;
	__u16 mac_len, hdr_len;
	__u16 queue_mapping;
	__u8 nohdr : 1, cloned : 1, peeked : 1;
	__u8 fclone : 2;
	__u8 head_frag : 1;
	__u8 pkt_type : 3;
	__u8 ip_summed : 2;
	__u8 ignore_df : 1;
	__u8 encapsulation : 1;
	__u16 transport_header, network_header, mac_header;
	__be16 protocol;
	__u32 priority;
	__u32 mark;
	unsigned char *head, *data;
	unsigned int truesize;
} KERNEL;

struct sock_common {
	unsigned short skc_family;
	volatile unsigned char skc_state;
	unsigned char skc_reuse : 4;
	unsigned char skc_reuseport : 1;
	unsigned char skc_ipv6only : 1;
	int skc_bound_dev_if;
	union {
		__u64 skc_addrpair;
		struct {
			__be32 skc_daddr;
			__be32 skc_rcv_saddr;
		};
	};
	union {
		__u32 skc_portpair;
		struct {
			__be16 skc_dport;
			__u16 skc_num;
		};
	};
} KERNEL;

struct sock {
	int sk_err;
	struct sock_common __sk_common;
	__u8 sk_no_check_tx : 1, sk_no_check_rx : 1;
	__u8 sk_shutdown;
	__u16 sk_type;
	__u16 sk_protocol;
	unsigned long sk_flags;
	int sk_rcvbuf;
} KERNEL;

struct tcp_sock {
	__u32 snd_cwnd;
	__u32 srtt_us;
	__u64 bytes_received;
	__u8 nonagle : 4;
	__u8 repair : 1;
	__u8 frto : 1;
	__u16 tcp_header_len;
	__u32 rcv_nxt;
} KERNEL;

struct super_block {
	unsigned long s_blocksize;
	__u32 s_dev;
	char s_id[32];
} KERNEL;

struct inode {
	unsigned short i_mode;
	unsigned long i_ino;
	long long i_size;
	struct super_block *i_sb;
	unsigned int i_flags;
} KERNEL;

struct dentry {
	unsigned int d_flags;
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
} KERNEL;

struct path {
	struct dentry *dentry;
} KERNEL;

struct file {
	long long f_pos;
	struct path f_path;
	unsigned int f_flags;
	struct inode *f_inode;
} KERNEL;

#endif
