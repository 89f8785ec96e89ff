"""The number by which BPF programs know this process: bpf_get_current_pid_tgid() counts in the first PID namespace."""

import os
from pathlib import Path
from typing import Final

from beepy.errors import KernelError
from beepy.kernel import program
from beepy.obj.insn import CALL, EXIT, Insn, encode
from beepy.uapi import HELPERS, ProgType

_INITIAL: Final = 0xEFFFFFFC  # PROC_PID_INIT_INO, include/linux/proc_ns.h: the inode of the first PID namespace
_RSH64_IMM: Final = 0x77  # BPF_ALU64 | BPF_RSH | BPF_K
_ASK: Final = (Insn(CALL, imm=HELPERS.index("get_current_pid_tgid")), Insn(_RSH64_IMM, 0, imm=32), Insn(EXIT))


def own_pid() -> int | None:
    """Return our pid in the first PID namespace, None where it cannot be known.

    In another namespace, as in a container, neither getpid() nor our /proc knows it: a program is run that tells it
    (from v5.10 on: 1b4d60ec162f, "bpf: Enable BPF_PROG_TEST_RUN for raw_tracepoint").
    """
    try:
        if Path("/proc/self/ns/pid").stat().st_ino == _INITIAL:
            return os.getpid()
    except OSError:  # no /proc
        pass
    try:
        with program.load("own_pid", "raw_tp", ProgType.RAW_TRACEPOINT, encode(_ASK), "GPL") as asked:
            return asked.run().retval
    except KernelError:
        return None
