"""A package of eunomia-bpf with a source of our own: a buffer, a table and options."""

from typing import Any, Final

SOURCE: Final = """
#include "include/core.h"
struct event { u32 pid; s32 number; char comm[16]; };
struct hist { u32 slots[26]; char comm[16]; };
const volatile s32 wanted = 0;
const volatile bool negate = 0;
const volatile char only[16] = "";
const volatile u32 count = 0;
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} events SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, u32);
	__type(value, struct hist);
} hists SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, u32);
	__type(value, u64);
} start SEC(".maps");
const volatile struct event *__eunomia_dummy_event_ptr __attribute__((unused));
const volatile struct hist *__eunomia_dummy_hist_ptr __attribute__((unused));
static struct hist zero;

static __always_inline int is_chosen(const char *comm)
{
	for (int i = 0; i < sizeof(only) && only[0]; i++) {
		if (comm[i] != only[i])
			return 0;
		if (!comm[i])
			break;
	}
	return 1;
}

SEC("raw_tp/sched_process_exec") int send(void *ctx)
{
	struct event *event;
	struct hist *hist;
	char comm[16];
	u32 key = 1;

	bpf_get_current_comm(comm, sizeof(comm));
	if (!is_chosen(comm))
		return 0;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event)
		return 0;
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->number = (negate ? -wanted : wanted) + count;
	__builtin_memcpy(event->comm, comm, sizeof(comm));
	bpf_ringbuf_submit(event, 0);
	bpf_map_update_elem(&hists, &key, &zero, BPF_NOEXIST);
	hist = bpf_map_lookup_elem(&hists, &key);
	if (hist)
		__sync_fetch_and_add(&hist->slots[3], 1);
	return 0;
}
char LICENSE[] SEC("license") = "GPL";
"""

NUMBER: Final = {"default": 7, "short": "n", "long": "number", "help": "the number shown"}
META: Final[dict[str, Any]] = {
    "bpf_skel": {
        "data_sections": [
            {
                "name": ".rodata",
                "variables": [
                    {"name": "wanted", "type": "int", "cmdarg": NUMBER},
                    {"name": "negate", "type": "bool", "description": "show the negated number"},
                    {"name": "only", "type": "char[16]", "description": "only this name"},
                    {"name": "count", "type": "unsigned int", "cmdarg": {"default": 0}},
                ],
            },
            {
                "name": ".bss",
                "variables": [{"name": "__eunomia_dummy_event_ptr", "type": "struct event *"}],
            },
        ],
        "maps": [
            {"ident": "events", "name": "events"},
            {
                "ident": "hists",
                "name": "hists",
                "sample": {"interval": 200, "type": "log2_hist", "unit": "usecs"},
            },
            {"ident": "start", "name": "start"},
            {"ident": "rodata", "mmaped": True, "name": "send.rodata"},
        ],
        "obj_name": "send_bpf",
        "progs": [{"attach": "raw_tp/sched_process_exec", "link": True, "name": "send"}],
    },
    "eunomia_version": "0.3.3",
    "export_types": [{"name": "event", "members": [], "size": 24, "type_id": 0}],
}
