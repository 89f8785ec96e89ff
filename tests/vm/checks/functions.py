"""Attach to functions in the ways that few kernels have.

Sessions, many functions by one link, and return values that are changed or replaced.
"""

import ctypes
import errno
import os
import socket
from functools import partial
from typing import Final

from beepy.collection.collection import Collection
from beepy.collection.load import load
from beepy.errors import ENOTSUPP, KernelError, NotSupported
from beepy.hooks import Target
from beepy.host.machine import release
from beepy.kernel import program as programs
from beepy.source import parse
from beepy.uapi import ProgType
from tests.support import switches
from tests.support.groups import entered
from tests.support.programs import returns
from tests.support.trigger import TRIGGER, trigger
from tests.vm.checks.attach import both
from tests.vm.checks.check import OBJECTS, Check, parsed
from tests.vm.checks.command import Run
from tests.vm.checks.counted import (
    ALWAYS,
    RUN,
    SEEN,
    Counted,
    Requirements,
    alone,
    excused,
    hits,
    reason,
    seen,
    telling,
)
from tests.vm.checks.groups import group

_ROWS: Final = {
    "kprobe_session": 0,
    "uprobe_session": 1,
    "fmod_ret": 2,
    "fsession": 3,
    "fentry_multi": 4,
    "fexit_multi": 5,
    "fsession_multi": 6,
    "lsm_cgroup": 7,
    "writable": 8,
}
_SEG6LOCAL: Final = (6, 2, 0)  # later ones run none of them by PROG_TEST_RUN any more
_JUMP_TABLES: Final = (6, 19, 0)  # BPF_MAP_TYPE_INSN_ARRAY
_FTRACE: Final = "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS"


def _counted(*names: str, target: Target | None = None, least: int = 1) -> Counted:
    rows = {name: _ROWS[name] for name in names}
    return Counted("functions", rows, target, least, {"process": os.getpid()})


def _triggered(_: Collection) -> None:
    trigger(3, 4, TRIGGER)


def _got(_: Collection) -> None:
    ctypes.CDLL(None).secure_getenv(b"PATH")


def kprobe_session() -> str:
    """Show a function's begin and its return to one program."""
    return _counted("kprobe_session", least=2).show(
        _triggered, Requirements((6, 10), "CONFIG_FPROBE")
    )


def uprobe_session() -> str:
    """Show a library's function's begin and its return to one program."""
    return _counted("uprobe_session", least=2).show(
        _got, Requirements((6, 13), "CONFIG_UPROBE_EVENTS")
    )


def uprobe_multi() -> str:
    """Show many functions' entries and returns by two links."""
    why = reason("uprobe_multi", Requirements((6, 6), "CONFIG_UPROBE_EVENTS"))
    if why:
        return why
    with Run(f"{OBJECTS}/uprobe_multi.o", "-o", "json", "-v") as run:
        run.attached(2)
        ctypes.CDLL(None).secure_getenv(b"PATH")
        both(run, os.getpid())
    return SEEN


def fmod_ret() -> str:
    """Let a program say what a function returns."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    answers = []

    def provoke(_: Collection) -> None:
        assert prctl(TRIGGER, 1, 0, 0, 0) == -1
        answers.append(ctypes.get_errno())

    told = _counted("fmod_ret").show(provoke, Requirements((5, 7), _FTRACE))
    assert answers in ([], [errno.EDOM, errno.EINVAL])
    return told


def fsession() -> str:
    """Show a function's begin and its return to one program, by a trampoline."""
    return _counted("fsession", least=2).show(_triggered, Requirements((7, 0), _FTRACE))


def trampolines_multi() -> str:
    """Show functions that fit a pattern, by trampolines."""
    return _counted("fentry_multi", "fexit_multi", "fsession_multi").show(
        _triggered, Requirements((7, 2), _FTRACE)
    )


def lsm_cgroup() -> str:
    """Show sockets that are made in a control group, by a hook that could forbid them."""
    with group() as folder:

        def provoke(_: Collection) -> None:
            with entered(folder):
                socket.socket(type=socket.SOCK_DGRAM).close()

        return _counted("lsm_cgroup", target=Target("socket_post_create", cgroup=str(folder))).show(
            provoke, Requirements((6, 0), "CONFIG_BPF_LSM")
        )


def writable() -> str:
    """Let a program change what a tracepoint reports: the result of a test run."""
    answers = []

    def provoke(_: Collection) -> None:
        with programs.load("one", "socket", ProgType.SOCKET_FILTER, returns(0), "GPL") as one:
            try:
                one.run(data=bytes(64))
            except KernelError as error:
                answers.append(error.errno)
            else:
                answers.append(0)

    told = _counted("writable").show(provoke)
    assert answers == [errno.EDOM, 0]
    return told


def replaced() -> str:
    """Replace a function of a program that runs."""
    with load(parsed("replaceable")) as original:
        whole = original.programs["whole"]
        assert whole.run(data=bytes(64)).retval == 1
        try:
            with (
                telling() as told,
                load(parsed("freplace"), targets={"other": Target(f"{whole.id()}/part")}) as other,
            ):
                other.attach()
                assert whole.run(data=bytes(64)).retval == 2
                assert hits(other, 0) == 1
                other.detach()
                assert whole.run(data=bytes(64)).retval == 1
        except KernelError as error:
            return excused(error, Requirements((5, 6), _FTRACE))
    return seen(told)


def called(program: str, row: int, data: bytes, needs: Requirements = ALWAYS) -> str:
    """Run a program that is attached nowhere."""
    try:
        with load(alone(parsed("called"), program)) as collection:
            collection.attach()
            collection.programs[program].run(data=data)
            assert hits(collection, row) == 1
    except KernelError as error:
        if (program, error.errno) == ("on_seg6local", ENOTSUPP) and release() >= _SEG6LOCAL:
            return str(error).partition(": ")[2]
        return excused(error, needs)
    return RUN


def jump_tables() -> str:
    """Jump through a table, in a program and in a subprogram of it."""
    try:
        with load(parse(switches.data(), name="switches")) as collection:
            program = collection.programs["choose"]
            answers = [program.run(data=bytes(14 + length)).retval for length in range(1, 9)]
    except NotSupported as error:
        if release() >= _JUMP_TABLES or error.feature != "map type INSN_ARRAY":
            raise
        return str(error).partition(": ")[2]
    assert answers == [switches.answer(length) for length in range(1, 9)], answers
    return RUN


def infrared() -> str:
    """Load a program for infrared receivers, which few kernels take."""
    return Counted("lirc", {"on_pulse": 0}).show(
        lambda _: None, Requirements((4, 18), "CONFIG_BPF_LIRC_MODE2")
    )


_CALLED: Final = (  # kind, program, packet, needs
    ("action", "on_action", bytes(64), ALWAYS),
    ("lwt_in", "on_in", bytes(64), Requirements(option="CONFIG_LWTUNNEL_BPF")),
    ("lwt_out", "on_out", bytes(64), Requirements(option="CONFIG_LWTUNNEL_BPF")),
    ("lwt_xmit", "on_xmit", bytes(64), Requirements(option="CONFIG_LWTUNNEL_BPF")),
    ("lwt_seg6local", "on_seg6local", bytes(64), Requirements(option="CONFIG_IPV6_SEG6_BPF")),
    ("syscall", "on_call", b"", Requirements((5, 14))),
)

CHECKS: Final = (
    Check("kprobe.session", kprobe_session, ("functions",), kinds=("kprobe.session",)),
    Check("uprobe.multi", uprobe_multi, ("uprobe_multi",), kinds=("uprobe.multi",)),
    Check("uprobe.session", uprobe_session, ("functions",), kinds=("uprobe.session",)),
    Check("fmod_ret", fmod_ret, ("functions",), kinds=("fmod_ret",)),
    Check("fsession", fsession, ("functions",), kinds=("fsession",)),
    Check("fentry.multi", trampolines_multi, ("functions",), kinds=("fentry.multi",)),
    Check("lsm_cgroup", lsm_cgroup, ("functions",), kinds=("lsm_cgroup",)),
    Check("raw_tp.w", writable, ("functions",), kinds=("raw_tp.w",)),
    Check("freplace", replaced, ("replaceable", "freplace"), kinds=("freplace",)),
    Check("jump tables", jump_tables),
    Check("lirc_mode2", infrared, ("lirc",), kinds=("lirc_mode2",)),
    *[
        Check(kind, partial(called, program, row, data, needs), ("called",), kinds=(kind,))
        for row, (kind, program, data, needs) in enumerate(_CALLED)
    ],
)
