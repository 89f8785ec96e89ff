// SPDX-License-Identifier: Apache-2.0
/* End processes at a steady rate: exits PER_SECOND. They have this program's name, and exit code 3.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000L

int main(int argc, char **argv)
{
	long rate = argc == 2 ? atol(argv[1]) : 0;
	struct timespec next;

	if (rate <= 0)
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN); /* nobody waits for them */
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (;;) {
		if (vfork() == 0)
			_exit(3);
		next.tv_nsec += SECOND / rate;
		if (next.tv_nsec >= SECOND) {
			next.tv_nsec -= SECOND;
			next.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
}
