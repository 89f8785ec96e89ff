"""What netlink attaches, in this thread's network namespace: XDP programs, and BPF filters on a clsact qdisc."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from beepy import uapi
from beepy.errors import KernelError
from beepy.sys.fd import Fd

_MODES: Final = {
    "IFLA_XDP_DRV_PROG_ID": uapi.XDP_FLAGS_DRV_MODE,
    "IFLA_XDP_SKB_PROG_ID": uapi.XDP_FLAGS_SKB_MODE,
    "IFLA_XDP_HW_PROG_ID": uapi.XDP_FLAGS_HW_MODE,
}


class _Filter(NamedTuple):
    """A filter of kind bpf: ``info`` is its priority and protocol, as the kernel tells and takes them."""

    name: str
    parent: int
    info: int
    handle: int


@contextmanager
def _route(where: str) -> Iterator[Any]:
    """Open a netlink socket; what the kernel answers becomes KernelError."""
    from pyroute2 import IPRoute  # noqa: PLC0415 - 120 ms, and only where the kernel has no link of the kind
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415 - as above

    try:
        with IPRoute() as route:
            yield route
    except NetlinkError as error:
        raise KernelError.of(f"{where}: netlink", error.code) from None
    except OSError as error:
        raise KernelError.of(f"{where}: netlink", error) from None


def attach_xdp(index: int, program: Fd, flags: int, where: str) -> None:
    """Attach to an interface that has no program in that mode. Raises KernelError."""
    with _route(where) as route:
        _set_xdp(route, index, program.fileno(), flags | uapi.XDP_FLAGS_UPDATE_IF_NOEXIST)


def detach_xdp(index: int, program_id: int, where: str) -> None:
    """Detach a program where it is the one that is attached. Raises KernelError."""
    with _present(), _route(where) as route:
        for link in route.get_links(index):
            told = link.get_attr("IFLA_XDP")
            for name, mode in _MODES.items():
                if told and told.get_attr(name) == program_id:
                    _set_xdp(route, index, -1, mode)


def _set_xdp(route: Any, index: int, fd: int, flags: int) -> None:  # noqa: ANN401 - pyroute2 has no types
    route.link("set", index=index, xdp={"attrs": [("IFLA_XDP_FD", fd), ("IFLA_XDP_FLAGS", flags)]})


def has_clsact(index: int, where: str) -> bool:
    """Tell whether an interface has the qdisc. Raises KernelError."""
    with _route(where) as route:
        return _has_clsact(route, index)


def add_filter(index: int, program: Fd, name: str, where: str, *, egress: bool) -> None:
    """Add a filter that is the action, too, before those that are there; with the qdisc, if it is missing.

    Raises KernelError, with advice where the kernel has no such qdisc or filter.
    """
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415 - as above

    with _advised(), _route(where) as route:
        try:
            route.tc("add", "clsact", index)
        except NetlinkError as error:
            if error.code != errno.EEXIST:
                raise
        parent = uapi.TC_CLSACT_EGRESS if egress else uapi.TC_CLSACT_INGRESS
        route.tc("add-filter", "bpf", index, 0, fd=program.fileno(), name=name, parent=parent, direct_action=True)


@contextmanager
def _advised() -> Iterator[None]:
    try:
        yield
    except KernelError as error:
        if error.errno in {errno.ENOENT, errno.EOPNOTSUPP}:
            error.add_note("the kernel needs CONFIG_NET_SCH_INGRESS and CONFIG_NET_CLS_BPF, or their modules")
        raise


def remove_filters(index: int, ours: Callable[[str], bool], where: str, *, qdisc: bool) -> None:
    """Remove the filters whose names are ``ours``; and the ``qdisc``, if that leaves it empty. Raises KernelError."""
    with _present(), _route(where) as route:
        left = False
        for one in list(_filters(route, index)):
            if ours(one.name):
                route.tc("del-filter", "bpf", index, one.handle, info=one.info, parent=one.parent)
            else:
                left = True
        if qdisc and not left and _has_clsact(route, index):
            route.tc("del", "clsact", index)


@contextmanager
def _present() -> Iterator[None]:
    """Let an interface be gone, with all that was attached to it."""
    try:
        yield
    except KernelError as error:
        if error.errno != errno.ENODEV:
            raise


def _has_clsact(route: Any, index: int) -> bool:  # noqa: ANN401 - pyroute2 has no types
    return any(qdisc.get_attr("TCA_KIND") == "clsact" for qdisc in route.get_qdiscs(index=index))


def _filters(route: Any, index: int) -> Iterator[_Filter]:  # noqa: ANN401 - pyroute2 has no types
    """Yield every filter of both directions; the name of one that is not of kind bpf is empty."""
    for parent in (uapi.TC_CLSACT_INGRESS, uapi.TC_CLSACT_EGRESS):
        for found in route.get_filters(index=index, parent=parent):
            options = found.get_attr("TCA_OPTIONS")
            if found["handle"] or options:  # the kernel also tells each priority without its filters
                name = options.get_attr("TCA_BPF_NAME") if found.get_attr("TCA_KIND") == "bpf" and options else None
                yield _Filter(name or "", parent, found["info"], found["handle"])
