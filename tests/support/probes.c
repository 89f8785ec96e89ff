/*
 * A program with USDT probes, as <sys/sdt.h> writes them, and functions to probe. For each line on its input, a number,
 * it passes all of them, and then says what their semaphore was before.
 */
#include <stdio.h>
#include <stdlib.h>

/* Places of the probe beepy:NAME; the note's three addresses are its own, the base's, the semaphore's. */
#define PLACE(name, semaphore, arguments, ...)                                                     \
	__asm__ volatile("990: nop\n"                                                              \
			 ".pushsection .note.stapsdt, \"\", %%note\n"                              \
			 ".balign 4\n"                                                             \
			 ".4byte 992f - 991f, 994f - 993f, 3\n"                                    \
			 "991: .asciz \"stapsdt\"\n"                                               \
			 "992: .balign 4\n"                                                        \
			 "993: .8byte 990b, _.stapsdt.base, " semaphore "\n"                       \
			 ".asciz \"beepy\"\n"                                                      \
			 ".asciz \"" name "\"\n"                                                   \
			 ".asciz \"" arguments "\"\n"                                              \
			 "994: .balign 4\n"                                                        \
			 ".popsection\n"                                                           \
			 ".ifndef _.stapsdt.base\n"                                                \
			 ".pushsection .stapsdt.base, \"aG\", %%progbits, .stapsdt.base, comdat\n" \
			 ".weak _.stapsdt.base\n"                                                  \
			 ".hidden _.stapsdt.base\n"                                                \
			 "_.stapsdt.base: .space 1\n"                                              \
			 ".size _.stapsdt.base, 1\n"                                               \
			 ".popsection\n"                                                           \
			 ".endif\n" ::__VA_ARGS__)

__attribute__((section(".probes"), used)) unsigned short beepy_hit_semaphore;

static int variable __attribute__((used));

/* Registers, or what the compiler takes for them; a variable where x86-64 names it by its symbol. */
__attribute__((noinline)) long hit(int first, long second)
{
	PLACE("hit", "beepy_hit_semaphore", "-4@%[first] -8@%[second] -4@%[third]", [first] "nor"(first),
	      [second] "nor"(second), [third] "m"(variable));
	return second + variable;
}

/* The same probe at another place, with its arguments elsewhere. */
__attribute__((noinline)) long hit_again(long number)
{
	volatile struct {
		char byte;
		long word;
	} local = { -1, number };

	PLACE("hit", "beepy_hit_semaphore", "-1@%[first] 8@%[second] 4@%[third]", [first] "m"(local.byte),
	      [second] "m"(local.word), [third] "i"(7));
	return local.word;
}

__attribute__((noinline)) void bare(void)
{
	PLACE("bare", "0", "");
}

void bare_too(void) __attribute__((alias("bare")));

int main(void)
{
	char line[32];

	while (fgets(line, sizeof(line), stdin)) {
		int number = atoi(line);
		unsigned short before = *(volatile unsigned short *)&beepy_hit_semaphore;

		variable = -number;
		hit(number, 2L * number);
		hit_again(number);
		bare();
		printf("%u\n", before);
		fflush(stdout);
	}
	return 0;
}
