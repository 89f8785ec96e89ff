"""Functions of the kernel through trampolines: fentry, fexit, fmod_ret, lsm; and freplace, of another program's.

Where they attach is fixed at load (``attach_btf_id``). The link is made by BPF_RAW_TRACEPOINT_OPEN without a name,
which every kernel that has trampolines takes (v5.5); from v6.0 on BPF_LINK_CREATE means the same.
"""

from beepy.hooks.target import Target
from beepy.kernel import link
from beepy.kernel.link import Link
from beepy.kernel.program import Program


def attach(program: Program, target: Target) -> Link:
    """Attach to the function that the program was loaded for. Raises AttachError."""
    return link.attach_btf(program, target.name)
