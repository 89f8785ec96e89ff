"""Which maps and records the calls of a program carry, by its instructions alone."""
