// SPDX-License-Identifier: GPL-2.0-only
/* Iterators that write lines: of tasks, and of a map's entries; and some that write bytes. */
#include "check.h"

struct seq_file;
struct bpf_iter_meta {
	struct seq_file *seq;
	u64 session_id;
	u64 seq_num;
} __attribute__((preserve_access_index));

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} __attribute__((preserve_access_index));

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key;
	void *value;
} __attribute__((preserve_access_index));

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 3);
	__type(key, u32);
	__type(value, u64);
} numbers SEC(".maps");

SEC("iter/task")
int tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	static const char format[] = "%d %s\n";
	u64 args[2];

	if (!task)
		return 0;
	args[0] = task->pid;
	args[1] = (u64)task->comm;
	bpf_seq_printf(ctx->meta->seq, format, sizeof(format), args, sizeof(args));
	return 0;
}

static __always_inline int show(struct bpf_iter__bpf_map_elem *ctx, bool all)
{
	static const char format[] = "%d=%llu\n";
	u32 *key = ctx->key;
	u64 *value = ctx->value;
	u64 args[2];

	if (!key || !value || !(all || *value))
		return 0;
	args[0] = *key;
	args[1] = *value;
	bpf_seq_printf(ctx->meta->seq, format, sizeof(format), args, sizeof(args));
	return 0;
}

SEC("iter/bpf_map_elem/numbers")
int elements(struct bpf_iter__bpf_map_elem *ctx)
{
	return show(ctx, true);
}

SEC("iter/bpf_map_elem/numbers")
int nonzero(struct bpf_iter__bpf_map_elem *ctx)
{
	return show(ctx, false);
}

struct entry {
	u32 key;
	u32 line_end;
};

static __attribute__((noinline)) int write_entry(struct seq_file *seq, u32 key)
{
	struct entry entry = { .key = key, .line_end = '\n' };

	return bpf_seq_write(seq, &entry, sizeof(entry));
}

SEC("iter/bpf_map_elem/numbers")
int structs(struct bpf_iter__bpf_map_elem *ctx)
{
	u32 *key = ctx->key;

	if (key)
		write_entry(ctx->meta->seq, *key);
	return 0;
}

SEC("iter/bpf_map_elem/numbers")
int long_one(struct bpf_iter__bpf_map_elem *ctx)
{
	static const char block[1000] = { 1 };
	u32 *key = ctx->key;

	if (key && *key == 1)
		bpf_seq_write(ctx->meta->seq, block, sizeof(block));
	return 0;
}

SEC("iter/bpf_map_elem/numbers")
int mixed(struct bpf_iter__bpf_map_elem *ctx)
{
	static const char bytes[] = { 'a', ' ' };
	static const char format[] = "line\n";
	u32 *key = ctx->key;

	if (!key || *key != 1)
		return 0;
	bpf_seq_write(ctx->meta->seq, bytes, sizeof(bytes));
	bpf_seq_printf(ctx->meta->seq, format, sizeof(format), NULL, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
