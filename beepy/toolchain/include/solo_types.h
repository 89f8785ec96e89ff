/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Types whose name says how a value is shown: the names are bee's. Include it after the kernel's
 * types (vmlinux.h or linux/types.h).
 */
#ifndef SOLO_TYPES_H
#define SOLO_TYPES_H

typedef __u32 ipv4_addr;    /* in network byte order */
typedef __u8 ipv6_addr[16]; /* in network byte order */
typedef __u64 duration;	    /* nanoseconds */

#endif
