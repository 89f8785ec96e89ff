// SPDX-License-Identifier: Apache-2.0
/*
 * Call getpgid() as generator_call.bpf.c expects it, at a steady rate:
 * caller PER_SECOND SECONDS CARDINALITY
 *
 * One process calls, so the program counts without atomic instructions.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FIRST  1000
#define PERIOD 1000000L /* ns */
#define SECOND 1000000000L

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	double rate, seconds, started, passed;
	struct timespec next;
	uint64_t called = 0;
	long kinds;

	if (argc != 4)
		return 2;
	rate = atof(argv[1]);
	seconds = atof(argv[2]);
	kinds = atol(argv[3]);
	clock_gettime(CLOCK_MONOTONIC, &next);
	started = now();
	while ((passed = now() - started) < seconds) {
		for (uint64_t due = rate * passed; called < due; called++)
			syscall(SYS_getpgid, -FIRST - (long)(called % kinds));
		next.tv_nsec += PERIOD;
		if (next.tv_nsec >= SECOND) {
			next.tv_nsec -= SECOND;
			next.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
	return 0;
}
