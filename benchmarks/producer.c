// SPDX-License-Identifier: Apache-2.0
/*
 * Run generate() of generator.bpf.c at a steady rate: producer PROGRAM_FD PER_SECOND SECONDS
 * CARDINALITY
 *
 * Prints how many records went into the ring, how many found it full, and the seconds that this
 * took.
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PERIOD 1000000L /* ns */
#define SECOND 1000000000L
#define MOST   100000 /* records of one run, after a moment that somebody else had the CPU */

struct request { /* see generator.bpf.c */
	uint64_t n;
	uint32_t cardinality;
	uint32_t flags;
	uint64_t sent;
	uint64_t dropped;
};

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	uint64_t tried = 0, sent = 0, dropped = 0;
	struct request request = {};
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &request, .ctx_size_in = sizeof(request));
	double rate, seconds, started, passed;
	struct timespec next;
	int program;

	if (argc != 5)
		return 2;
	program = atoi(argv[1]);
	rate = atof(argv[2]);
	seconds = atof(argv[3]);
	request.cardinality = atoi(argv[4]);
	clock_gettime(CLOCK_MONOTONIC, &next);
	started = now();
	while ((passed = now() - started) < seconds) {
		uint64_t due = rate * passed;

		if (due > tried) {
			request.n = due - tried < MOST ? due - tried : MOST;
			if (bpf_prog_test_run_opts(program, &options)) {
				perror("producer");
				return 1;
			}
			tried += request.n;
			sent += request.sent;
			dropped += request.dropped;
		}
		next.tv_nsec += PERIOD;
		if (next.tv_nsec >= SECOND) {
			next.tv_nsec -= SECOND;
			next.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
	printf("%lu %lu %.3f\n", sent, dropped, now() - started);
	return 0;
}
