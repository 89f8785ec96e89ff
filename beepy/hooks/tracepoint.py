"""Tracepoints through perf: the event's number from tracefs, a perf event of it, a link between event and program."""

import errno

from beepy import uapi
from beepy.errors import AttachError, KernelError, TargetError, restated
from beepy.hooks.target import Point, Target
from beepy.host.tracefs import tracepoint_id
from beepy.kernel import link
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.sys import syscall
from beepy.text import safe


def attach(program: Program, target: Target) -> Link:
    """Attach to the tracepoint CATEGORY/NAME; it then runs on every CPU and for every process. Raises AttachError."""
    where = f"program '{safe(program.name)}'"
    category, name = split(target.name)
    if not name:
        raise TargetError(f"{where}: tracepoint '{safe(target.name)}': expected CATEGORY/NAME", program.name)
    what = f"tracepoint {safe(category)}/{safe(name)}"
    try:
        number = tracepoint_id(category, name)
        attr = uapi.PerfEventAttr(type=uapi.PERF_TYPE_TRACEPOINT, config=number)
        event = syscall.perf_event_open(attr, f"{what}: perf event")
    except KernelError as error:
        raise restated(AttachError(f"{where}: {error}", error.errno or 0), error) from error
    return link.perf_event(program, event, what)


def points(target: Target, machine: str) -> list[Point]:  # noqa: ARG001 - every hook's signature
    """Return the tracepoint. Raises AttachError for what is not the name of one."""
    if not target.name:
        return []
    if not split(target.name)[1]:
        raise AttachError("tracepoint: expected CATEGORY/NAME", errno.EINVAL)
    return [("tracepoint", target.name, "")]


def split(text: str) -> tuple[str, str]:
    """Return category and name of ``CATEGORY/NAME``, "" and "" if the text is not of that form."""
    category, _, name = text.partition("/")
    return (category, name) if category and name else ("", "")
