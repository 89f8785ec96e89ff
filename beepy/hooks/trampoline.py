"""Trampolines: fentry, fexit, fmod_ret, lsm, and freplace (for functions of another program).

The function is fixed when the program is loaded (``attach_btf_id``). The link is made by
BPF_RAW_TRACEPOINT_OPEN without a name, which works on every kernel that has trampolines (v5.5);
since v6.0 BPF_LINK_CREATE does the same.
"""

from beepy.hooks.target import Target
from beepy.kernel import link
from beepy.kernel.link import Link
from beepy.kernel.program import Program


def attach(program: Program, target: Target) -> Link:
    """Attach to the function that the program was loaded for. Raises AttachError."""
    return link.attach_btf(program, target.name)
