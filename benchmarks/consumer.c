// SPDX-License-Identifier: Apache-2.0
/*
 * Read a ring buffer of generator.bpf.c with libbpf: consumer empty|count|json MAP_FD
 *
 * For each line of standard input, a number, that many records are consumed; the answer is the time
 * that one of them took, in nanoseconds.
 */
#define _GNU_SOURCE
#include <bpf/libbpf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WORDS 7
#define SLOTS (1 << 17) /* a power of two */

struct event {
	uint64_t start_time;
	uint64_t exit_time;
	uint32_t pid;
	uint32_t tid;
	uint32_t ppid;
	uint32_t sig;
	int32_t exit_code;
	char comm[16];
};

struct slot {
	uint64_t key[WORDS];
	uint64_t count;
};

_Static_assert(sizeof(struct event) == WORDS * sizeof(uint64_t), "a record is its own key");

static struct slot slots[SLOTS];
static uint64_t consumed;
static FILE *out;
static char
	moment[sizeof("2026-01-01T00:00:00.000000000Z")]; /* of reading, as beepy's rows have it */

static int empty(void *context, void *data, size_t size)
{
	consumed++;
	return 0;
}

/* A hash table of whole records with linear probing; it never fills up here. */
static int count(void *context, void *data, size_t size)
{
	const uint64_t *words = data;
	uint64_t hash = 0;

	for (int i = 0; i < WORDS; i++) {
		hash = (hash ^ words[i]) * 0xff51afd7ed558ccdULL;
		hash ^= hash >> 32;
	}
	for (size_t at = hash % SLOTS;; at = (at + 1) % SLOTS) {
		struct slot *slot = &slots[at];

		if (!slot->count)
			memcpy(slot->key, words, sizeof(slot->key));
		else if (memcmp(slot->key, words, sizeof(slot->key)))
			continue;
		slot->count++;
		break;
	}
	consumed++;
	return 0;
}

static int json(void *context, void *data, size_t size)
{
	const struct event *event = data;

	fprintf(out,
		"{\"map\": \"print_events\", \"time\": \"%s\", \"start_time\": %lu, "
		"\"exit_time\": %lu, \"pid\": %u, \"tid\": %u, \"ppid\": %u, \"sig\": %u, "
		"\"exit_code\": %d, \"comm\": \"%.16s\"}\n",
		moment, event->start_time, event->exit_time, event->pid, event->tid, event->ppid,
		event->sig, event->exit_code, event->comm);
	consumed++;
	return 0;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1e9 + time.tv_nsec;
}

static void set_moment(void)
{
	struct timespec wall;
	size_t length;
	struct tm utc;

	clock_gettime(CLOCK_REALTIME, &wall);
	gmtime_r(&wall.tv_sec, &utc);
	length = strftime(moment, sizeof(moment), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(moment + length, sizeof(moment) - length, ".%09ldZ", wall.tv_nsec % 1000000000);
}

int main(int argc, char **argv)
{
	ring_buffer_sample_fn callback;
	struct ring_buffer *ring;
	char line[32];

	if (argc != 3)
		return 2;
	callback = !strcmp(argv[1], "count") ? count : !strcmp(argv[1], "json") ? json : empty;
	out = fopen("/dev/null", "w");
	ring = ring_buffer__new(atoi(argv[2]), callback, NULL, NULL);
	if (!out || !ring) {
		perror("consumer");
		return 1;
	}
	while (fgets(line, sizeof(line), stdin)) {
		uint64_t wanted = strtoull(line, NULL, 10);
		double started = now();

		consumed = 0;
		set_moment();
		while (consumed < wanted)
			if (ring_buffer__consume(ring) < 0)
				return 1;
		fflush(out);
		printf("%.3f\n", (now() - started) / consumed);
		fflush(stdout);
	}
	return 0;
}
