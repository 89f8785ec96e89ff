/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The vocabulary of Inspektor Gadget's images, as far as the test programs need it: the names of
 * its types, and how the names of variables say what maps and programs are for.
 */
#ifndef BEEPY_GADGET_H
#define BEEPY_GADGET_H

#include "trigger.h"

#define SAYS(what) const void *gadget_##what __attribute__((unused))

typedef u32 gadget_pid, gadget_tid, gadget_uid, gadget_gid, gadget_errno, gadget_signal;
typedef u32 gadget_file_flags, gadget_file_mode, gadget_histogram_slot__u32, gadget_kernel_stack;
typedef u64 gadget_timestamp, gadget_syscall, gadget_bytes, gadget_duration, gadget_mntns_id;
typedef char gadget_comm;

struct gadget_creds {
	gadget_uid uid;
	gadget_gid gid;
};

struct gadget_process {
	gadget_comm comm[TASK_COMM_LEN];
	gadget_pid pid;
	gadget_tid tid;
	gadget_mntns_id mntns_id;
	struct gadget_creds creds;
};

union gadget_ip_addr_t {
	u8 v6[16];
	unsigned __int128 v6_raw;
	u32 v4;
};

struct gadget_l4endpoint_t {
	union gadget_ip_addr_t addr_raw;
	u16 port;
	u16 proto_raw;
	u8 version;
};

static __always_inline void fill(struct gadget_process *process)
{
	u64 id = bpf_get_current_pid_tgid(), owner = bpf_get_current_uid_gid();

	process->pid = id >> 32;
	process->tid = id;
	process->creds.uid = owner;
	process->creds.gid = owner >> 32;
	bpf_get_current_comm(process->comm, sizeof(process->comm));
}

#endif
