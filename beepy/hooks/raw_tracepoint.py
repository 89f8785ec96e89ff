"""Raw tracepoints: by name, or by the type that the program was loaded with."""

from beepy.errors import TargetError
from beepy.hooks.target import Point, Target
from beepy.kernel import link
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.text import safe
from beepy.uapi import ProgType


def attach(program: Program, target: Target) -> Link:
    """Attach to the tracepoint NAME, which is given without its category. Raises AttachError.

    A program of type TRACING (``tp_btf``) attaches to the ``attach_btf_id`` of its load.
    """
    if program.type == ProgType.TRACING:
        return link.raw_tracepoint(program, None)
    if not target.name:
        where = f"program '{safe(program.name)}'"
        raise TargetError(f"{where}: raw tracepoint '': expected a NAME", program.name)
    return link.raw_tracepoint(program, target.name)


def points(target: Target, machine: str) -> list[Point]:  # noqa: ARG001 - every hook's signature
    """Return the tracepoint."""
    return [("raw tracepoint", target.name, "")] if target.name else []
