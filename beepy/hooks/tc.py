"""Traffic control: a tcx link to the interface; clsact and a filter where the kernel has no tcx."""

import errno
import os
from typing import Final

from beepy.errors import AttachError, KernelError, TargetError
from beepy.hooks import lasting, netlink
from beepy.hooks.failure import failed
from beepy.hooks.interface import Interface, interface
from beepy.hooks.target import Target
from beepy.kernel import link, netns
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.log import Log
from beepy.sys import syscall
from beepy.text import safe
from beepy.uapi import AttachType

_log = Log(__name__)

KIND: Final = "tc"
"""Of journal entries: the interface's index, the filter's name, and "clsact" if the qdisc is ours, too."""

_DIRECTIONS: Final = {"ingress": AttachType.TCX_INGRESS, "egress": AttachType.TCX_EGRESS}


def attach(program: Program, target: Target) -> Link:
    """Attach to an interface, before the programs that are there: --attach IFACE, IFACE/egress or /egress, --iface.

    The direction is the section's, ingress where it has none. A link is tcx (v6.6); a kernel without gets a filter.
    Raises AttachError.
    """
    name, slash, direction = target.name.partition("/")
    if slash and direction not in _DIRECTIONS:
        where = f"program '{safe(program.name)}': tc '{safe(target.name)}'"
        raise TargetError(f"{where}: expected INTERFACE, INTERFACE/ingress or INTERFACE/egress", program.name)
    attach_type = _DIRECTIONS[direction] if direction else program.attach_type or AttachType.TCX_INGRESS
    with interface(program, target, name) as found:
        try:
            return link.create(program, found.ifindex, attach_type)
        except AttachError as error:
            if error.errno != errno.EINVAL:
                raise
        _log.info("program '%s': no tcx, attaching by a filter on clsact", safe(program.name))
        try:
            return _by_netlink(program, target, found, egress=attach_type == AttachType.TCX_EGRESS)
        except KernelError as error:
            raise failed(program, error) from error


def _by_netlink(program: Program, target: Target, found: Interface, *, egress: bool) -> Link:
    where = f"tc {safe(found.name)}"
    name = f"{_prefix(os.getpid())}{syscall.object_name(program.name).decode()}:{program.id()}"
    qdisc = not netlink.has_clsact(found.ifindex, where)

    def make() -> None:
        try:
            netlink.add_filter(found.ifindex, program.fd, name, where, egress=egress)
        except KernelError:
            remove()
            raise

    def remove() -> None:
        netlink.remove_filters(found.ifindex, lambda other: other == name, where, qdisc=qdisc)

    note = (KIND, str(found.ifindex), name, "clsact" if qdisc else "")
    return lasting.keep_in(found.namespace, str(netns.path(target.netns)), note, make, remove)


def _prefix(process: int) -> str:
    return f"beepy:{process}:"


@lasting.undone_in
def undo(index: str, name: str, qdisc: str) -> None:
    """Remove all filters of the dead process that left this one, so that its qdisc goes, too. Raises KernelError."""
    prefix = _prefix(int(name.split(":")[1]))
    netlink.remove_filters(
        int(index), lambda other: other.startswith(prefix), f"tc interface {index}", qdisc=bool(qdisc)
    )
