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

// The key of a row. Its members are what beepy shows beside the value; in a metric they are labels.
struct event {
$members};

// The name of the map says what beepy makes of the rows that are written here:
// print_ shows them, counter_ and gauge_ also make a metric of their values.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, struct event);
	__type(value, u64);
} $map SEC(".maps");

SEC("$section")
int probe(struct $context *ctx)
{
	struct event key = {}, *event = &key;

$skip$fill
$update	return 0;
}
