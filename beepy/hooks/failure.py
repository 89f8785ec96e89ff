"""How a failure of the kernel's becomes one of attaching."""

from beepy.errors import AttachError, KernelError
from beepy.kernel.program import Program
from beepy.text import safe


def failed(program: Program, error: KernelError) -> AttachError:
    """Return the failure to attach that ``error`` is, with its advice."""
    told = AttachError(f"program '{safe(program.name)}': {error}", error.errno or 0)
    for note in getattr(error, "__notes__", ()):
        told.add_note(note)
    return told
