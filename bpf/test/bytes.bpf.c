// SPDX-License-Identifier: GPL-2.0-only
/* Arrays of bytes: for prctl(TRIGGER) the caller's name, which is text, and an address, which is
 * not. */
#include "trigger.h"

struct event {
	u8 name[16];
	u8 mac[6];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
	__type(value, struct event);
} print_bytes SEC(".maps");

TRIGGER_SEC
int send(struct trace_event_raw_sys_enter *ctx)
{
	struct event event = { .mac = { 0xde, 0xad, 0xbe, 0xef, 0x00, 0x01 } };

	if (!triggered(ctx))
		return 0;
	bpf_get_current_comm(event.name, sizeof(event.name));
	bpf_ringbuf_output(&print_bytes, &event, sizeof(event), 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
