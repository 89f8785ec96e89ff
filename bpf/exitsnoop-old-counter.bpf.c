// SPDX-License-Identifier: GPL-2.0-only
/* exitsnoop as a counter: the map's section says so, as bee had it up to 0.0.14. */
#define EXITS	      exits
#define EXITS_SECTION ".maps.counter"
#include "exitsnoop.h"
