"""System calls by their plain name: at entry, at return."""

import re

from beepy import sections
from beepy.errors import TargetError
from beepy.hooks import kprobe, probe
from beepy.hooks.target import Point, Target
from beepy.kernel import features
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.text import safe


def attach(program: Program, target: Target) -> Link:
    """Attach to the entry or return of the system call NAME. Raises AttachError, NotSupported."""
    returns = sections.returns(program.section)
    kind = "kretsyscall" if returns else "ksyscall"
    if not re.fullmatch(r"[a-z0-9_]+", target.name):
        where = f"program '{safe(program.name)}': {kind} '{safe(target.name)}'"
        error = TargetError(f"{where}: expected the NAME of a system call", program.name)
        raise kprobe.with_example(error, program, "openat")
    function = features.syscall_prefix() + target.name
    return kprobe.attach_to(program, function, kind, returns=returns)


def points(target: Target, machine: str) -> list[Point]:  # noqa: ARG001 - every hook's signature
    """Return the system call, and the kernel's support for kprobes."""
    named: list[Point] = [("system call", target.name, "")] if target.name else []
    return [*named, probe.KPROBES]
