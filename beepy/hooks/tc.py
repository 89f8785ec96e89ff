"""Traffic control: a tcx link to the interface, or a filter on clsact if the kernel has no tcx."""

import errno
import os
from typing import Final

from beepy.errors import AttachError, KernelError, TargetError
from beepy.hooks import netlink
from beepy.hooks.interface import Interface, enter_netns_of_interface
from beepy.hooks.persistent import attach_persistent_in_netns, cleanup_in_netns
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
"""Kind of journal entries.

Arguments: interface index, filter name, and "clsact" if the qdisc is ours, else "".
"""

_DIRECTIONS: Final = {"ingress": AttachType.TCX_INGRESS, "egress": AttachType.TCX_EGRESS}


def attach(program: Program, target: Target) -> Link:
    """Attach to an interface: --attach INTERFACE, INTERFACE/egress or /egress, else --iface.

    The program runs before those that are attached already. The default direction is the section's,
    or ingress. Before v6.6 (tcx) a filter is used. Raises AttachError.
    """
    where = f"program '{safe(program.name)}'"
    name, slash, direction = target.name.partition("/")
    if slash and direction not in _DIRECTIONS:
        why = "expected INTERFACE, INTERFACE/ingress or INTERFACE/egress"
        raise TargetError(f"{where}: tc '{safe(target.name)}': {why}", program.name)
    default = program.attach_type or AttachType.TCX_INGRESS
    attach_type = _DIRECTIONS[direction] if direction else default
    with enter_netns_of_interface(program, target, name) as interface:
        try:
            return link.create(program, interface.ifindex, attach_type)
        except AttachError as error:
            if error.errno != errno.EINVAL:
                raise
        _log.info("%s: no tcx, attaching by a filter on clsact", where)
        egress = attach_type == AttachType.TCX_EGRESS
        try:
            return _attach_filter(program, target, interface, egress=egress)
        except KernelError as error:
            raise AttachError.wrap(error, where) from error


def _attach_filter(program: Program, target: Target, interface: Interface, *, egress: bool) -> Link:
    ifindex = interface.ifindex
    where = f"tc {safe(interface.name)}"
    object_name = syscall.object_name(program.name).decode()
    name = f"{_prefix(os.getpid())}{object_name}:{program.id()}"
    qdisc = not netlink.has_clsact(ifindex, where)

    def add() -> None:
        try:
            netlink.add_filter(ifindex, program.fd, name, where, egress=egress)
        except KernelError:
            remove()  # the qdisc
            raise

    def remove() -> None:
        netlink.remove_filters(ifindex, lambda other: other == name, where, qdisc=qdisc)

    entry = (KIND, str(ifindex), name, "clsact" if qdisc else "")
    path = str(netns.path(target.netns))
    return attach_persistent_in_netns(interface.namespace, path, entry, add, remove, ("netlink",))


def _prefix(pid: int) -> str:
    """Return how the names of a process's filters begin."""
    return f"beepy:{pid}:"


@cleanup_in_netns
def cleanup(ifindex: str, name: str, qdisc: str) -> None:
    """Remove all filters of the dead process, so that its qdisc can go too. Raises KernelError."""
    prefix = _prefix(int(name.split(":")[1]))
    netlink.remove_filters(
        int(ifindex),
        lambda other: other.startswith(prefix),
        f"tc interface {ifindex}",
        qdisc=bool(qdisc),
    )
