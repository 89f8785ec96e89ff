// SPDX-License-Identifier: GPL-2.0-only
/* Capabilities that the kernel looks for in a process. */
#include "include/regs.h"

enum capability {
	CAP_CHOWN = 0,
	CAP_DAC_OVERRIDE,
	CAP_DAC_READ_SEARCH,
	CAP_FOWNER,
	CAP_FSETID,
	CAP_KILL,
	CAP_SETGID,
	CAP_SETUID,
	CAP_SETPCAP,
	CAP_LINUX_IMMUTABLE,
	CAP_NET_BIND_SERVICE,
	CAP_NET_BROADCAST,
	CAP_NET_ADMIN,
	CAP_NET_RAW,
	CAP_IPC_LOCK,
	CAP_IPC_OWNER,
	CAP_SYS_MODULE,
	CAP_SYS_RAWIO,
	CAP_SYS_CHROOT,
	CAP_SYS_PTRACE,
	CAP_SYS_PACCT,
	CAP_SYS_ADMIN,
	CAP_SYS_BOOT,
	CAP_SYS_NICE,
	CAP_SYS_RESOURCE,
	CAP_SYS_TIME,
	CAP_SYS_TTY_CONFIG,
	CAP_MKNOD,
	CAP_LEASE,
	CAP_AUDIT_WRITE,
	CAP_AUDIT_CONTROL,
	CAP_SETFCAP,
	CAP_MAC_OVERRIDE,
	CAP_MAC_ADMIN,
	CAP_SYSLOG,
	CAP_WAKE_ALARM,
	CAP_BLOCK_SUSPEND,
	CAP_AUDIT_READ,
	CAP_PERFMON,
	CAP_BPF,
	CAP_CHECKPOINT_RESTORE,
};

struct event {
	u32 pid;
	u32 tid;
	u32 uid;
	enum capability cap;
	bool audit;
	char comm[TASK_COMM_LEN];
};

const volatile int target_pid = 0;
const volatile bool audited_only = false;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
	__type(value, struct event);
} print_checks SEC(".maps");

struct cred;
struct user_namespace;

#define CAP_OPT_NOAUDIT 2 /* include/linux/security.h, since v5.1 */

SEC("kprobe/cap_capable")
int BPF_KPROBE(cap_capable, const struct cred *cred, struct user_namespace *ns, int cap, int opts)
{
	u64 id = bpf_get_current_pid_tgid();
	bool audit = !(opts & CAP_OPT_NOAUDIT);
	struct event *event;

	if (target_pid && target_pid != id >> 32)
		return 0;
	if (audited_only && !audit)
		return 0;
	event = bpf_ringbuf_reserve(&print_checks, sizeof(*event), 0);
	if (!event)
		return 0;
	event->pid = id >> 32;
	event->tid = id;
	event->uid = bpf_get_current_uid_gid();
	event->cap = cap;
	event->audit = audit;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
