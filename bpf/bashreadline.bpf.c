// SPDX-License-Identifier: GPL-2.0-only
/* What is typed into bash, line by line: the returns of a function of a program, not of the kernel.
 */
#include "include/regs.h"

struct event {
	u32 pid;
	u32 uid;
	char line[256];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
	__type(value, struct event);
} print_lines SEC(".maps");

SEC("uretprobe//bin/bash:readline")
int BPF_KRETPROBE(readline, const char *line)
{
	struct event *event;

	if (!line)
		return 0; /* the end of the input */
	event = bpf_ringbuf_reserve(&print_lines, sizeof(*event), 0);
	if (!event)
		return 0;
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->uid = bpf_get_current_uid_gid();
	if (bpf_probe_read_user_str(event->line, sizeof(event->line), line) < 0)
		event->line[0] = 0;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
