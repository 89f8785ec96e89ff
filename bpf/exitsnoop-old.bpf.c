// SPDX-License-Identifier: GPL-2.0-only
/* exitsnoop as a list: the map's section says so, as bee had it up to 0.0.14. */
#define EXITS	      exits
#define EXITS_SECTION ".maps.print"
#include "exitsnoop.h"
