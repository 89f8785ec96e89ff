// SPDX-License-Identifier: GPL-2.0-only
/*
 * One record with everything that BTF can tell of a member. Run by PROG_TEST_RUN, emit() submits
 * one record, and writes one row, with the values that stand beside the members.
 */
#include "../include/core.h"
#include "solo_types.h"

enum colour {
	RED,
	GREEN = 5,
	BLUE,
};

enum sign {
	NEGATIVE = -1,
	NEUTRAL,
};

enum flags {
	FLAG_READ = 1,
	FLAG_WRITE = 2,
	FLAG_EXEC = 4,
	FLAG_CREATE = 0x100,
};

#if __clang_major__ >= 15 /* an older clang cannot tell values of more than 32 bits */
enum wide {
	WIDE_SMALL = 1,
	WIDE_LARGE = 0x123456789abcdef0,
};

enum wide_sign {
	WIDE_LOWEST = -0x7fffffffffffffffll,
	WIDE_ZERO = 0,
};
#endif

struct point {
	s16 x;
	s16 y;
};

union number {
	u32 word;
	u8 bytes[4];
};

typedef struct {
	u8 major;
	u8 minor;
} version_t;

typedef const version_t *version_ptr;
typedef int (*handler_t)(void *);

#define KERNEL_POINTER 0xffff888012345678ull

struct everything {
	/* integers */
	u8 u8;	 /* 200 */
	u16 u16; /* 60000 */
	u32 u32; /* 4000000000 */
	u64 u64; /* 18446744073709551615 */
	s8 s8;	 /* -100 */
	s16 s16; /* -30000 */
	s32 s32; /* -2000000000 */
	s64 s64; /* -9223372036854775808 */

	unsigned __int128 u128;	      /* 0x0123456789abcdeffedcba9876543210 */
	__int128 s128;		      /* -2 */
	bool yes;		      /* true */
	bool no;		      /* false */
	char letter;		      /* 'A' */
	signed char schar;	      /* -1 */
	unsigned char uchar;	      /* 255 */
	const volatile u32 qualified; /* 77 */

	/* enums */
	enum colour colour;    /* GREEN */
	enum colour no_colour; /* 99, which has no name */
	enum sign sign;	       /* NEGATIVE */
	enum flags flags;      /* FLAG_READ | FLAG_EXEC */
	enum {
		SMALL = 3
	} unnamed; /* SMALL */
#if __clang_major__ >= 15
	enum wide wide;		  /* WIDE_LARGE */
	enum wide_sign wide_sign; /* WIDE_LOWEST */
#endif

	/* floats */
	float f32;  /* 1.5 */
	double f64; /* -0.1 */

	/* text and bytes */
	char text[16];	  /* "hello" */
	char full[4];	  /* "full", with no NUL */
	char foul[8];	  /* a\x1b[31m\xff, NUL */
	u8 bytes[4];	  /* de ad be ef */
	char names[2][4]; /* "one", "two" */

	/* pointers */
	void *pointer;		    /* KERNEL_POINTER */
	struct task_struct *task;   /* null */
	const char *string;	    /* KERNEL_POINTER + 1 */
	handler_t handler;	    /* KERNEL_POINTER + 2 */
	version_ptr version_ptr;    /* KERNEL_POINTER + 3 */
	struct unknown *incomplete; /* KERNEL_POINTER + 4 */

	/* structs, unions, arrays */
	struct point point; /* -1, 2 */
	version_t version;  /* 6, 18 */
	struct {
		u32 in_anonymous; /* 11 */
		struct {
			u32 deeper; /* 12 */
		};
		struct point named; /* 13, 14 */
	};
	union {
		u32 as_word; /* 0x04030201 */
		u8 as_bytes[4];
	};
	union number number;	/* word 0x0d0c0b0a */
	int grid[2][3];		/* 1 2 3, 4 5 6 */
	struct point path[3];	/* 1 2, 3 4, 5 6 */
	enum colour colours[2]; /* RED, BLUE */
	void *pointers[2];	/* null, KERNEL_POINTER */
	struct {
	} nothing;
	int none[0];

	/* bitfields */
	u32 bit_one : 1;    /* 1 */
	u32 bit_three : 3;  /* 5 */
	s32 bit_signed : 4; /* -3 */
	u32 : 5;
	u32 bit_across : 17;	    /* 0x1abcd */
	enum colour bit_colour : 3; /* BLUE */
	bool bit_bool : 1;	    /* true */
	u64 : 0;
	u64 bit_wide : 40;	  /* 0xabcdef0123 */
	s64 bit_wide_signed : 24; /* -2 */
	struct {
		u8 low : 4;  /* 9 */
		u8 high : 4; /* 6 */
	};

	/* types whose name has a meaning */
	ipv4_addr v4;	   /* 192.0.2.1 */
	ipv6_addr v6;	   /* 2001:db8::1 */
	ipv4_addr hops[2]; /* 10.0.0.1, 10.0.0.2 */
	duration took;	   /* 1h2m3.000000001s */
	duration shortly;  /* 1.5ms */

	/* after padding; a name that is a keyword in other languages */
	u8 class;    /* 42 */
	u64 last;    /* 0x1122334455667788 */
	char tail[]; /* nothing */
};

struct key {
	u8 id;		 /* 7 */
	char name[7];	 /* "row" */
	struct point at; /* 3, -4 */
};

struct row {
	u64 count;	  /* 1000 */
	duration took;	  /* 2s */
	enum flags flags; /* FLAG_WRITE */
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
	__type(value, struct everything);
} print_everything SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, struct key);
	__type(value, struct row);
} print_rows SEC(".maps");

static __always_inline void fill_numbers(struct everything *e)
{
	e->u8 = 200;
	e->u16 = 60000;
	e->u32 = 4000000000;
	e->u64 = -1;
	e->s8 = -100;
	e->s16 = -30000;
	e->s32 = -2000000000;
	e->s64 = 1ull << 63;
	e->u128 = (unsigned __int128)0x0123456789abcdef << 64 | 0xfedcba9876543210;
	e->s128 = -2;
	e->yes = true;
	e->letter = 'A';
	e->schar = -1;
	e->uchar = 255;
	*(u32 *)&e->qualified = 77;
	e->colour = GREEN;
	e->no_colour = 99;
	e->sign = NEGATIVE;
	e->flags = FLAG_READ | FLAG_EXEC;
	e->unnamed = SMALL;
#if __clang_major__ >= 15
	e->wide = WIDE_LARGE;
	e->wide_sign = WIDE_LOWEST;
#endif
	*(u32 *)&e->f32 = 0x3fc00000; /* the machine has no floats */
	*(u64 *)&e->f64 = 0xbfb999999999999a;
}

static __always_inline void fill_text(struct everything *e)
{
	__builtin_memcpy(e->text, "hello", 6);
	__builtin_memcpy(e->full, "full", 4);
	__builtin_memcpy(e->foul, "a\x1b[31m\xff", 8);
	__builtin_memcpy(e->bytes, "\xde\xad\xbe\xef", 4);
	__builtin_memcpy(e->names, "one\0two", 8);
}

static __always_inline void fill_pointers(struct everything *e)
{
	e->pointer = (void *)KERNEL_POINTER;
	e->string = (void *)(KERNEL_POINTER + 1);
	e->handler = (handler_t)(KERNEL_POINTER + 2);
	e->version_ptr = (void *)(KERNEL_POINTER + 3);
	e->incomplete = (void *)(KERNEL_POINTER + 4);
	e->pointers[1] = (void *)KERNEL_POINTER;
}

static __always_inline void fill_structs(struct everything *e)
{
	e->point = (struct point){ -1, 2 };
	e->version = (version_t){ 6, 18 };
	e->in_anonymous = 11;
	e->deeper = 12;
	e->named = (struct point){ 13, 14 };
	e->as_word = 0x04030201;
	e->number.word = 0x0d0c0b0a;
	for (int i = 0; i < 6; i++) {
		e->grid[i / 3][i % 3] = i + 1;
		if (i % 2)
			e->path[i / 2].y = i + 1;
		else
			e->path[i / 2].x = i + 1;
	}
	e->colours[0] = RED;
	e->colours[1] = BLUE;
}

static __always_inline void fill_bits(struct everything *e)
{
	e->bit_one = 1;
	e->bit_three = 5;
	e->bit_signed = -3;
	e->bit_across = 0x1abcd;
	e->bit_colour = BLUE;
	e->bit_bool = true;
	e->bit_wide = 0xabcdef0123;
	e->bit_wide_signed = -2;
	e->low = 9;
	e->high = 6;
}

SEC("syscall")
int emit(void *ctx)
{
	struct everything *e = bpf_ringbuf_reserve(&print_everything, sizeof(*e), 0);
	struct row row = { .count = 1000, .took = 2000000000, .flags = FLAG_WRITE };
	struct key key = { .id = 7, .name = "row", .at = { 3, -4 } };

	if (!e)
		return __LINE__;
	__builtin_memset(e, 0, sizeof(*e));
	fill_numbers(e);
	fill_text(e);
	fill_pointers(e);
	fill_structs(e);
	fill_bits(e);
	e->v4 = 0x010200c0;
	__builtin_memcpy(e->v6, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	e->hops[0] = 0x0100000a;
	e->hops[1] = 0x0200000a;
	e->took = 3723000000001;
	e->shortly = 1500000;
	e->class = 42;
	e->last = 0x1122334455667788;
	bpf_ringbuf_submit(e, 0);
	return bpf_map_update_elem(&print_rows, &key, &row, BPF_ANY) ? __LINE__ : 0;
}

char LICENSE[] SEC("license") = "GPL";
