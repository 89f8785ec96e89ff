"""Runs of programs that the kernel skipped: what they would have sent was never produced.

The kernel runs no tracing program within another one on the same CPU, or, since v6.2, within
itself. Uncounted is a tracepoint's program that would run within another tracepoint's: perf drops
the event (perf_swevent_get_recursion_context). A program that is loaded anew has missed nothing,
and neither has a new probe: what is counted is counted since the programs were attached.
"""

from typing import Final

from beepy.collection.collection import Collection
from beepy.errors import KernelError
from beepy.kernel.program import Program
from beepy.uapi import AttachType, ProgType

_TRAMPOLINES: Final = (ProgType.TRACING, ProgType.LSM)
# counted since v6.7 (dd8657894c11, "bpf: Count missed stats in trace_call_bpf"), as are the probes
# of links; raw tracepoints since v6.2, which nothing but the release would tell
_PROBES: Final = (
    ProgType.KPROBE,
    ProgType.TRACEPOINT,
    ProgType.RAW_TRACEPOINT,
    ProgType.RAW_TRACEPOINT_WRITABLE,
)


def missed(collection: Collection) -> dict[str, int | None]:
    """Return the missed runs of each attached program that can miss one.

    None where this kernel does not count them, as no kernel does for perf events.
    """
    counts: dict[str, int | None] = {}
    for name, link in collection.link_of.items():
        program = collection.programs[name]
        if program.type in _TRAMPOLINES and program.attach_type != AttachType.TRACE_ITER:
            counts[name] = _misses(program)
            if program.attach_type == AttachType.TRACE_RAW_TP and link.missed() is None:
                counts[name] = None
        elif program.type in _PROBES:
            of_link, of_program = link.missed(), _misses(program)
            is_known = of_link is not None and of_program is not None
            counts[name] = (of_link or 0) + (of_program or 0) if is_known else None
        elif program.type == ProgType.PERF_EVENT:
            counts[name] = None
    return counts


def _misses(program: Program) -> int | None:
    try:
        return program.recursion_misses()
    except KernelError:
        return None
