"""Netkit: a link to the primary device of a pair."""

import errno

from beepy.errors import AttachError
from beepy.hooks.interface import enter_netns_of_interface
from beepy.hooks.target import Target
from beepy.kernel import link
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.text import safe


def attach(program: Program, target: Target) -> Link:
    """Attach to the netkit device of --attach, else --iface. Raises AttachError."""
    with enter_netns_of_interface(program, target, target.name) as interface:
        try:
            return link.create(program, interface.ifindex, program.attach_type)
        except AttachError as error:
            where = f"program '{safe(program.name)}': netkit {safe(interface.name)}"
            if error.errno == errno.EINVAL:
                why = "this kernel has no netkit (CONFIG_NETKIT)"
                raise AttachError(f"{where}: {why}", error.errno) from None
            if error.errno == errno.ENXIO:
                why = "not the primary device of a netkit pair"
                raise AttachError(f"{where}: {why}", error.errno) from None
            raise
