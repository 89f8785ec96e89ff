"""This process's pid as bpf_get_current_pid_tgid() returns it: in the initial PID namespace."""

import os
from typing import Final

from beepy.errors import KernelError
from beepy.host import pids
from beepy.kernel import program
from beepy.obj.insn import CALL, EXIT, Insn, encode
from beepy.uapi import HELPERS, ProgType

_RSH64_IMM: Final = 0x77  # BPF_ALU64 | BPF_RSH | BPF_K
_PROGRAM: Final = (
    Insn(CALL, imm=HELPERS.index("get_current_pid_tgid")),
    Insn(_RSH64_IMM, 0, imm=32),  # the upper half is the process, the lower one the thread
    Insn(EXIT),
)


def own_pid() -> int | None:
    """Return our pid in the initial PID namespace, None if it cannot be determined.

    In another namespace, as in a container, neither getpid() nor /proc has it, so a BPF program
    that returns it is run (since v5.10: 1b4d60ec162f, "bpf: Enable BPF_PROG_TEST_RUN for
    raw_tracepoint").
    """
    if pids.are_the_kernels():
        return os.getpid()
    try:
        with program.load(
            "own_pid", "raw_tp", ProgType.RAW_TRACEPOINT, encode(_PROGRAM), "GPL"
        ) as loaded:
            return loaded.run().retval
    except KernelError:
        return None
