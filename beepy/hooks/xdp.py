"""XDP: a link to the interface, or netlink if the kernel has no such links (before v5.9)."""

import errno
from collections.abc import Callable
from typing import Final

from beepy import uapi
from beepy.errors import AttachError, KernelError
from beepy.hooks import netlink
from beepy.hooks.interface import Interface, enter_netns_of_interface
from beepy.hooks.persistent import attach_persistent_in_netns, cleanup_in_netns
from beepy.hooks.target import Target
from beepy.kernel import link, netns
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.log import Log
from beepy.text import safe
from beepy.uapi import AttachType

_log = Log(__name__)

KIND: Final = "xdp"
"""Kind of journal entries. Arguments: interface index, program id."""

_BUSY: Final = frozenset({errno.EBUSY, errno.EEXIST})
_FINAL: Final = frozenset({*_BUSY, errno.EPERM, errno.EACCES})  # generic mode would fail too


def attach(program: Program, target: Target) -> Link:
    """Attach to the interface of --attach, else --iface: in driver mode, else in generic mode.

    Raises AttachError, also if the interface has a program already: that one stays.
    """
    with enter_netns_of_interface(program, target, target.name) as interface:
        try:
            return _attach(program, target, interface)
        except AttachError as error:
            if error.errno not in _BUSY:
                raise
            name = safe(interface.name)
            why = f"program '{safe(program.name)}': xdp {name}: has a program already"
            busy = AttachError(why, error.errno or 0)
            busy.add_note(f"to show it: ip link show dev {name}")
            raise busy from None


def _attach(program: Program, target: Target, interface: Interface) -> Link:
    def by_link(flags: int) -> Link:
        return link.create(program, interface.ifindex, AttachType.XDP, flags)

    try:
        return _with_generic_fallback(program, interface, by_link)
    except AttachError as error:
        if error.errno != errno.EINVAL:
            raise
    where = f"program '{safe(program.name)}'"
    _log.info("%s: no XDP link, attaching by netlink", where)

    def by_netlink(flags: int) -> Link:
        return _attach_by_netlink(program, target, interface, flags)

    try:
        return _with_generic_fallback(program, interface, by_netlink)
    except KernelError as error:
        raise AttachError.wrap(error, where) from error


def _with_generic_fallback(
    program: Program, interface: Interface, attach_with: Callable[[int], Link]
) -> Link:
    """Attach in driver mode if the driver can; if the kernel refuses, in generic mode.

    ``attach_with`` takes XDP_FLAGS_*.
    """
    try:
        return attach_with(0)
    except KernelError as error:
        if error.errno in _FINAL:
            raise
        why = error
    xdp_link = attach_with(uapi.XDP_FLAGS_SKB_MODE)
    where = f"program '{safe(program.name)}': xdp {safe(interface.name)}"
    _log.warning("%s: in generic mode, which is slower: the driver refused: %s", where, why)
    return xdp_link


def _attach_by_netlink(program: Program, target: Target, interface: Interface, flags: int) -> Link:
    program_id = program.id()
    ifindex = interface.ifindex
    where = f"xdp {safe(interface.name)}"
    return attach_persistent_in_netns(
        interface.namespace,
        str(netns.path(target.netns)),
        (KIND, str(ifindex), str(program_id)),
        lambda: netlink.attach_xdp(ifindex, program.fd, flags, where),
        lambda: netlink.detach_xdp(ifindex, program_id, where),
        ("netlink",),
    )


@cleanup_in_netns
def cleanup(ifindex: str, program_id: str) -> None:
    """Detach the program of a dead process. Raises KernelError."""
    netlink.detach_xdp(int(ifindex), int(program_id), f"xdp interface {ifindex}")
