// SPDX-License-Identifier: GPL-2.0-only
/* Pulses of an infrared receiver, counted. */
#include "hits.h"

SEC("lirc_mode2")
int on_pulse(unsigned int *sample)
{
	hit(0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
