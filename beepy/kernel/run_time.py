"""Run-time statistics: how often programs ran, and for how long.

They are counted for every program of the machine while a descriptor of BPF_ENABLE_STATS is open,
or while the sysctl kernel.bpf_stats_enabled is 1. They slow each run by two readings of a clock.
"""

import errno
from pathlib import Path
from typing import Final, NamedTuple

from beepy import uapi
from beepy.errors import KernelError
from beepy.features import Feature
from beepy.kernel import objects
from beepy.sys import syscall
from beepy.sys.fd import Fd

_SYSCTL: Final = Path("/proc/sys/kernel/bpf_stats_enabled")
_WHERE: Final = "run-time statistics"


class RunTime(NamedTuple):
    """What was counted of a program, since it was loaded: nanoseconds and runs."""

    ns: int = 0
    runs: int = 0


def enable() -> Fd | None:
    """Count until the Fd is closed, which the caller owns; None if the sysctl is on already.

    Raises KernelError: EPERM without CAP_SYS_ADMIN; NotSupported before v5.8 (d46edd671a14, "bpf:
    Sharing bpf runtime stats with BPF_ENABLE_STATS").
    """
    try:
        return syscall.enable_stats(uapi.EnableStats(type=uapi.BPF_STATS_RUN_TIME), _WHERE)
    except KernelError as error:
        if _is_on():
            return None
        if error.errno == errno.EINVAL:
            why = f"{_WHERE}: this kernel cannot be asked for them"
            raise Feature.RUN_TIME_STATS.not_supported(why, errno.EINVAL) from None
        from beepy.kernel import privilege  # noqa: PLC0415 - only where the kernel refuses

        raise privilege.with_capability(error, "CAP_SYS_ADMIN") from None


def _is_on() -> bool:
    try:
        return _SYSCTL.read_text("ascii").strip() == "1"
    except OSError:
        return False


def of_program(program: Fd) -> RunTime:
    """Return what has been counted of a program. Raises KernelError."""
    info = uapi.ProgInfo()
    objects.info(program, info, "program: run time")
    return RunTime(info.run_time_ns, info.run_cnt)


def of_all() -> dict[int, RunTime]:
    """Return what has been counted of each loaded program, by its id. Raises KernelError."""
    counts = {}
    for program in objects.programs():
        info = uapi.ProgInfo()
        objects.info(program, info, "program: run time")
        counts[int(info.id)] = RunTime(info.run_time_ns, info.run_cnt)
    return counts
