/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a test makes a known event: prctl(TRIGGER, op, number), which the kernel answers with EINVAL.
 */
#ifndef BEEPY_TRIGGER_H
#define BEEPY_TRIGGER_H

#include "../include/core.h"

#ifndef TRIGGER
#define TRIGGER 0xbee
#endif

#define TRIGGER_SEC SEC("tracepoint/syscalls/sys_enter_prctl")

static __always_inline bool triggered(struct trace_event_raw_sys_enter *ctx)
{
	return ctx->args[0] == TRIGGER;
}

#endif
