// $title
//
//     beepy build $file
//     sudo beepy run $object

#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include "solo_types.h"

// The kernel offers some of its helpers only to programs under the GPL.
char LICENSE[] SEC("license") = "GPL";

// One event. Its members are what beepy shows; in a metric they are labels.
struct event {
$members};

// The name of the map says what beepy makes of the events that are written here:
// print_ shows them, counter_ also counts them, gauge_ also keeps the last value.
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18); // bytes
	__type(value, struct event);
} $map SEC(".maps");

SEC("$section")
int probe(struct $context *ctx)
{
	struct event *event;

$skip	event = bpf_ringbuf_reserve(&$map, sizeof(*event), 0);
	if (!event) // beepy has not kept up, and this event is lost
		return 0;
$fill	bpf_ringbuf_submit(event, 0);
	return 0;
}
