"""How a failure of the kernel's becomes one of attaching."""

from beepy.errors import AttachError, KernelError, restated
from beepy.kernel.program import Program
from beepy.text import safe


def failed(program: Program, error: KernelError) -> AttachError:
    """Return the failure to attach that ``error`` is, with its advice."""
    return restated(AttachError(f"program '{safe(program.name)}': {error}", error.errno or 0), error)
