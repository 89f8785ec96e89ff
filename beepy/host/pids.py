"""Whether the pids of this process are the kernel's own, which records have."""

from pathlib import Path
from typing import Final

INITIAL: Final = 0xEFFFFFFC  # PROC_PID_INIT_INO (include/linux/proc_ns.h): its inode


def are_the_kernels(proc: str = "/proc") -> bool:
    """Return whether this is the first PID namespace; False if ``proc`` does not tell."""
    try:
        return Path(f"{proc}/self/ns/pid").stat().st_ino == INITIAL
    except OSError:
        return False
