/* SPDX-License-Identifier: GPL-2.0-only */
/* A program that tests itself: run by PROG_TEST_RUN, it returns 0, or the line that found a fault.
 */
#ifndef BEEPY_CHECK_H
#define BEEPY_CHECK_H

#include "../include/core.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			return __LINE__;                                                           \
	} while (0)

#endif
