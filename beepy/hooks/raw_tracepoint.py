"""Raw tracepoints: by name, or by the type that the program was loaded with."""

from beepy.errors import TargetError
from beepy.hooks.target import Target
from beepy.kernel import link
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.text import safe


def attach(program: Program, target: Target) -> Link:
    """Attach to the tracepoint of that name, which has no category here. Raises AttachError."""
    if not target.name:
        raise TargetError(f"program '{safe(program.name)}': raw tracepoint '': expected a NAME", program.name)
    return link.raw_tracepoint(program, target.name)


def attach_typed(program: Program, target: Target) -> Link:  # noqa: ARG001 - every hook's signature
    """Attach where ``attach_btf_id`` said at load (``tp_btf``). Raises AttachError."""
    return link.raw_tracepoint(program, None)
