// SPDX-License-Identifier: GPL-2.0-only
/* exitsnoop as a counter: the map's name says so, as bee has it since 0.0.15. */
#define EXITS	      counter_exits
#define EXITS_SECTION ".maps"
#include "exitsnoop.h"
