"""Maps, programs, links and BTF in the kernel, as objects that own a file descriptor."""
