"""Tracepoints: a perf event by the tracepoint's number in tracefs, and a link to the event."""

import errno

from beepy import uapi
from beepy.errors import AttachError, KernelError, TargetError
from beepy.hooks.target import Point, Target
from beepy.host.tracefs import tracepoint_id
from beepy.kernel import link
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.sys import syscall
from beepy.text import safe


def attach(program: Program, target: Target) -> Link:
    """Attach to the tracepoint CATEGORY/NAME, on every CPU and for every process.

    Raises AttachError.
    """
    where = f"program '{safe(program.name)}'"
    category, name = split(target.name)
    if not name:
        why = f"tracepoint '{safe(target.name)}': expected CATEGORY/NAME"
        error = TargetError(f"{where}: {why}", program.name)
        if not target.name:
            example = f"--attach {safe(program.name)}=syscalls/sys_enter_kill"
            error.add_note(f"give a target: {example}")
        raise error
    label = f"tracepoint {safe(category)}/{safe(name)}"
    try:
        number = tracepoint_id(category, name)
        attr = uapi.PerfEventAttr(type=uapi.PERF_TYPE_TRACEPOINT, config=number)
        event = syscall.perf_event_open(attr, f"{label}: perf event")
    except KernelError as error:
        raise AttachError.wrap(error, where) from error
    return link.perf_event(program, event, label)


def points(target: Target, machine: str) -> list[Point]:  # noqa: ARG001 - every hook's signature
    """Return the tracepoint. Raises AttachError if the target is malformed."""
    if not target.name:
        return []
    if not split(target.name)[1]:
        raise AttachError("tracepoint: expected CATEGORY/NAME", errno.EINVAL)
    return [("tracepoint", target.name, "")]


def split(text: str) -> tuple[str, str]:
    """Return category and name of ``CATEGORY/NAME``, ("", "") if the text is malformed."""
    category, _, name = text.partition("/")
    return (category, name) if category and name else ("", "")
