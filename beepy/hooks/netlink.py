"""Attach by netlink in this thread's network namespace: XDP programs, and filters on clsact."""

import errno
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from beepy import uapi
from beepy.errors import KernelError
from beepy.sys.fd import Fd

_XDP_MODES: Final = {
    "IFLA_XDP_DRV_PROG_ID": uapi.XDP_FLAGS_DRV_MODE,
    "IFLA_XDP_SKB_PROG_ID": uapi.XDP_FLAGS_SKB_MODE,
    "IFLA_XDP_HW_PROG_ID": uapi.XDP_FLAGS_HW_MODE,
}

_DIRECTIONS: Final = {uapi.TC_CLSACT_INGRESS: "ingress", uapi.TC_CLSACT_EGRESS: "egress"}


class _Filter(NamedTuple):
    """A filter; ``info`` is its priority and protocol in the kernel's encoding (tcm_info).

    ``name`` is "" if the filter is not of kind bpf.
    """

    name: str
    parent: int
    info: int
    handle: int


class AttachedProgram(NamedTuple):
    """A program at an interface; ``kind`` is how it is attached: "xdp", "tc ingress", ..."""

    program: int
    kind: str
    ifindex: int
    interface: str


@contextmanager
def _netlink_socket(where: str) -> Iterator[Any]:
    """Open a netlink socket; an error that the kernel answers in the block becomes KernelError."""
    from pyroute2 import IPRoute  # noqa: PLC0415 - 120 ms, only for kernels without such links
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415 - as above

    try:
        with IPRoute() as route:
            yield route
    except NetlinkError as error:
        raise KernelError.of(f"{where}: netlink", error.code) from None
    except OSError as error:
        raise KernelError.of(f"{where}: netlink", error) from None


@contextmanager
def _ignoring_missing_interface() -> Iterator[None]:
    """Ignore that an interface is gone: so is everything that was attached to it."""
    try:
        yield
    except KernelError as error:
        if error.errno != errno.ENODEV:
            raise


def attach_xdp(ifindex: int, program: Fd, flags: int, where: str) -> None:
    """Attach to an interface that has no program in that mode. Raises KernelError."""
    with _netlink_socket(where) as route:
        _set_xdp(route, ifindex, program.fileno(), flags | uapi.XDP_FLAGS_UPDATE_IF_NOEXIST)


def detach_xdp(ifindex: int, program_id: int, where: str) -> None:
    """Detach a program from an interface if it is attached there. Raises KernelError."""
    with _ignoring_missing_interface(), _netlink_socket(where) as route:
        for interface in route.get_links(ifindex):
            xdp = interface.get_attr("IFLA_XDP")
            for attribute, mode in _XDP_MODES.items():
                if xdp and xdp.get_attr(attribute) == program_id:
                    _set_xdp(route, ifindex, -1, mode)


def _set_xdp(route: Any, ifindex: int, fd: int, flags: int) -> None:  # noqa: ANN401 - pyroute2 has no types
    attributes = [("IFLA_XDP_FD", fd), ("IFLA_XDP_FLAGS", flags)]
    route.link("set", index=ifindex, xdp={"attrs": attributes})


def has_clsact(ifindex: int, where: str) -> bool:
    """Tell whether an interface has a clsact qdisc. Raises KernelError."""
    with _netlink_socket(where) as route:
        return _has_clsact(route, ifindex)


def add_filter(ifindex: int, program: Fd, name: str, where: str, *, egress: bool) -> None:
    """Add a direct-action filter before the existing ones, and the clsact qdisc if it is missing.

    Raises KernelError, with advice if the kernel has no such qdisc or filter.
    """
    from pyroute2.netlink.exceptions import NetlinkError  # noqa: PLC0415 - see _netlink_socket

    parent = uapi.TC_CLSACT_EGRESS if egress else uapi.TC_CLSACT_INGRESS
    fd = program.fileno()
    with _advising_options(), _netlink_socket(where) as route:
        try:
            route.tc("add", "clsact", ifindex)
        except NetlinkError as error:
            if error.code != errno.EEXIST:
                raise
        route.tc(
            "add-filter", "bpf", ifindex, 0, fd=fd, name=name, parent=parent, direct_action=True
        )


@contextmanager
def _advising_options() -> Iterator[None]:
    """Add a note with the kernel options that filters need to an error for want of them."""
    try:
        yield
    except KernelError as error:
        if error.errno in {errno.ENOENT, errno.EOPNOTSUPP}:
            options = "CONFIG_NET_SCH_INGRESS and CONFIG_NET_CLS_BPF"
            error.add_note(f"the kernel needs {options}, or their modules")
        raise


def remove_filters(
    ifindex: int, is_ours: Callable[[str], bool], where: str, *, qdisc: bool
) -> None:
    """Remove the filters whose names ``is_ours`` accepts.

    With ``qdisc`` the clsact qdisc is removed too if no filter is left. Raises KernelError.
    """
    with _ignoring_missing_interface(), _netlink_socket(where) as route:
        others = False
        for entry in list(_filters(route, ifindex)):
            if is_ours(entry.name):
                route.tc(
                    "del-filter",
                    "bpf",
                    ifindex,
                    entry.handle,
                    info=entry.info,
                    parent=entry.parent,
                )
            else:
                others = True
        if qdisc and not others and _has_clsact(route, ifindex):
            route.tc("del", "clsact", ifindex)


def _has_clsact(route: Any, ifindex: int) -> bool:  # noqa: ANN401 - pyroute2 has no types
    qdiscs = route.get_qdiscs(index=ifindex)
    return any(qdisc.get_attr("TCA_KIND") == "clsact" for qdisc in qdiscs)


def _filters(route: Any, ifindex: int) -> Iterator[_Filter]:  # noqa: ANN401 - pyroute2 has no types
    """Yield the filters of both directions."""
    for parent in (uapi.TC_CLSACT_INGRESS, uapi.TC_CLSACT_EGRESS):
        for message in route.get_filters(index=ifindex, parent=parent):
            options = message.get_attr("TCA_OPTIONS")
            # The kernel lists each priority, too, as a message without handle and options.
            if message["handle"] or options:
                is_bpf = message.get_attr("TCA_KIND") == "bpf"
                name = options.get_attr("TCA_BPF_NAME") if is_bpf and options else None
                yield _Filter(name or "", parent, message["info"], message["handle"])


def programs(where: str) -> Iterator[AttachedProgram]:
    """Yield the programs of all interfaces: XDP, and filters on clsact. Raises KernelError."""
    with _netlink_socket(where) as route:
        for interface in route.get_links():
            index, name = interface["index"], interface.get_attr("IFLA_IFNAME")
            xdp = interface.get_attr("IFLA_XDP")
            for attribute in _XDP_MODES if xdp else ():
                if program := xdp.get_attr(attribute):
                    yield AttachedProgram(program, "xdp", index, name)
            with _ignoring_missing_interface():
                for parent, direction in _DIRECTIONS.items():
                    for message in route.get_filters(index=index, parent=parent):
                        if message.get_attr("TCA_KIND") == "bpf":
                            program = _program_of_filter(message.get_attr("TCA_OPTIONS"))
                            yield AttachedProgram(program, f"tc {direction}", index, name)


def _program_of_filter(options: Any) -> int:  # noqa: ANN401 - pyroute2 has no types
    """Return the id of a filter's program, 0 if it has none; pyroute2 does not know TCA_BPF_ID."""
    for _, attribute in options["attrs"] if options else ():
        header = attribute["header"] if isinstance(attribute, dict) else {}
        if header.get("type") == uapi.TCA_BPF_ID:
            begin, end = attribute.offset + 4, attribute.offset + header["length"]  # after nlattr
            return int.from_bytes(attribute.data[begin:end], sys.byteorder)
    return 0
