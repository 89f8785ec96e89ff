// SPDX-License-Identifier: GPL-2.0-only
/* Global variables in every section that has them, with initial values. */
#include "check.h"

const volatile u32 parameter = 7; /* .rodata: a user may set it before the load */
const volatile char name[16] = "beepy";
const volatile struct {
	u8 small;
	u64 large;
} pair = { 1, 1ull << 40 };

u64 counter = 1000; /* .data */
s16 table[4] = { -1, 2, -3, 4 };
static volatile u32 hidden = 0x1234;

u64 runs; /* .bss */
char buffer[100];

u32 custom SEC(".data.custom") = 77;
const volatile u64 constant SEC(".rodata.custom") = 0xfeedfacecafebeef;

SEC("syscall")
int initial(void *ctx)
{
	CHECK(parameter == 7);
	CHECK(name[0] == 'b' && name[4] == 'y' && !name[5]);
	CHECK(pair.small == 1 && pair.large == 1ull << 40);
	CHECK(counter == 1000);
	CHECK(table[0] == -1 && table[3] == 4);
	CHECK(hidden == 0x1234);
	CHECK(!runs && !buffer[99]);
	CHECK(custom == 77);
	CHECK(constant == 0xfeedfacecafebeef);
	return 0;
}

/* What a reader finds after one run: counter 1007, table[1] 3, hidden 0x1235, runs 1, buffer "x",
 * custom 78. */
SEC("syscall")
int change(void *ctx)
{
	counter += parameter;
	table[1]++;
	hidden++;
	runs++;
	buffer[0] = 'x';
	custom++;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
