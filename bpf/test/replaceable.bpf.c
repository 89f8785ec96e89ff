// SPDX-License-Identifier: GPL-2.0-only
/* A program with a function that freplace.bpf.c replaces. */
#include "../include/core.h"

__attribute__((noinline)) int part(struct __sk_buff *skb)
{
	int one = 1;

	asm volatile("" : "+r"(one)); /* the compiler must not know the result */
	return one;
}

SEC("socket")
int whole(struct __sk_buff *skb)
{
	return part(skb);
}

char LICENSE[] SEC("license") = "GPL";
