"""Tracepoints through perf: the event's number from tracefs, a perf event of it, a link between event and program."""

from beepy import uapi
from beepy.errors import AttachError, KernelError, TargetError, restated
from beepy.hooks.target import Target
from beepy.kernel import link, syscall
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.kernel.tracefs import tracepoint_id
from beepy.text import safe


def attach(program: Program, target: Target) -> Link:
    """Attach to the tracepoint CATEGORY/NAME; it then runs on every CPU and for every process. Raises AttachError."""
    where = f"program '{safe(program.name)}'"
    category, slash, name = target.name.partition("/")
    if not (category and slash and name):
        raise TargetError(f"{where}: tracepoint '{safe(target.name)}': expected CATEGORY/NAME", program.name)
    what = f"tracepoint {safe(category)}/{safe(name)}"
    try:
        number = tracepoint_id(category, name)
        attr = uapi.PerfEventAttr(type=uapi.PERF_TYPE_TRACEPOINT, config=number)
        event = syscall.perf_event_open(attr, f"{what}: perf event")
    except KernelError as error:
        raise restated(AttachError(f"{where}: {error}", error.errno or 0), error) from error
    return link.perf_event(program, event, what)
