"""Facts about this machine, read from its files; nothing is loaded into the kernel."""
