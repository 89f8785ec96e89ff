"""Everything that owns a file descriptor of the kernel's; the only way into the kernel."""
