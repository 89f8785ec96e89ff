"""Netkit: a link to the primary device of a pair."""

import errno

from beepy.errors import AttachError
from beepy.hooks.interface import interface
from beepy.hooks.target import Target
from beepy.kernel import link
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.text import safe


def attach(program: Program, target: Target) -> Link:
    """Attach to a netkit device: nothing else takes these programs. Raises AttachError."""
    with interface(program, target, target.name) as found:
        try:
            return link.create(program, found.ifindex, program.attach_type)
        except AttachError as error:
            where = f"program '{safe(program.name)}': netkit {safe(found.name)}"
            if error.errno == errno.EINVAL:
                raise AttachError(f"{where}: this kernel has no netkit (CONFIG_NETKIT)", error.errno) from None
            if error.errno == errno.ENXIO:
                raise AttachError(f"{where}: not the primary device of a netkit pair", error.errno) from None
            raise
