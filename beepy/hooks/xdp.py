"""XDP: a link to the interface; by netlink where the kernel has no such links (before v5.9)."""

import errno
from collections.abc import Callable
from typing import Final

from beepy import uapi
from beepy.errors import AttachError, KernelError
from beepy.hooks import lasting, netlink
from beepy.hooks.failure import failed
from beepy.hooks.interface import Interface, interface
from beepy.hooks.target import Target
from beepy.kernel import link, netns
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.log import Log
from beepy.text import safe
from beepy.uapi import AttachType

_log = Log(__name__)

KIND: Final = "xdp"
"""Of journal entries: the interface's index and the program's id."""

_BUSY: Final = frozenset({errno.EBUSY, errno.EEXIST})
_FINAL: Final = frozenset({*_BUSY, errno.EPERM, errno.EACCES})  # the other mode changes nothing


def attach(program: Program, target: Target) -> Link:
    """Attach to the interface that --attach, else --iface names: in the driver, else to socket buffers.

    Raises AttachError, also where a program is attached already: that one stays.
    """
    with interface(program, target, target.name) as found:
        try:
            return _attach(program, target, found)
        except AttachError as error:
            if error.errno not in _BUSY:
                raise
            name = safe(found.name)
            busy = AttachError(f"program '{safe(program.name)}': xdp {name}: has a program already", error.errno or 0)
            busy.add_note(f"which one: ip link show dev {name}")
            raise busy from None


def _attach(program: Program, target: Target, found: Interface) -> Link:
    try:
        return _in_a_mode(program, found, lambda flags: link.create(program, found.ifindex, AttachType.XDP, flags))
    except AttachError as error:
        if error.errno != errno.EINVAL:
            raise
    _log.info("program '%s': no XDP link, attaching by netlink", safe(program.name))
    try:
        return _in_a_mode(program, found, lambda flags: _by_netlink(program, target, found, flags))
    except KernelError as error:
        raise failed(program, error) from error


def _in_a_mode(program: Program, found: Interface, attach_in: Callable[[int], Link]) -> Link:
    """Attach as the kernel likes: in the driver where it can; if that is refused, in generic mode."""
    try:
        return attach_in(0)
    except KernelError as error:
        if error.errno in _FINAL:
            raise
        why = error
    made = attach_in(uapi.XDP_FLAGS_SKB_MODE)
    where = f"program '{safe(program.name)}': xdp {safe(found.name)}"
    _log.warning("%s: in generic mode, which is slower: the driver refused: %s", where, why)
    return made


def _by_netlink(program: Program, target: Target, found: Interface, flags: int) -> Link:
    number = program.id()
    where = f"xdp {safe(found.name)}"
    return lasting.keep_in(
        found.namespace,
        str(netns.path(target.netns)),
        (KIND, str(found.ifindex), str(number)),
        lambda: netlink.attach_xdp(found.ifindex, program.fd, flags, where),
        lambda: netlink.detach_xdp(found.ifindex, number, where),
    )


@lasting.undone_in
def undo(index: str, number: str) -> None:
    """Detach what a dead process left. Raises KernelError."""
    netlink.detach_xdp(int(index), int(number), f"xdp interface {index}")
