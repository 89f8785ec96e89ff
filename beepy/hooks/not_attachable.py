"""Programs that beepy only loads, because something else must attach or call them."""

from collections.abc import Mapping
from typing import Final

from beepy.hooks.target import Target
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.log import Log
from beepy.text import safe
from beepy.uapi import NO_ATTACH_TYPE, AttachType, ProgType

_log = Log(__name__)

_ROUTE: Final = "a route with it (--pin-progs DIR; ip route ... encap bpf {} pinned PATH)"
_FILTER: Final = "a filter with it (--pin-progs DIR; tc filter ... action bpf pinned PATH)"
_SEG6LOCAL: Final = "a route with it (encap seg6local action End.BPF endpoint pinned PATH)"
_INFRARED: Final = "BPF_PROG_ATTACH to an infrared receiver (--pin-progs DIR)"
_RUN_BY: Final[Mapping[tuple[ProgType, AttachType], str]] = {
    (ProgType.XDP, AttachType.XDP_DEVMAP): "an entry of a DEVMAP with it",
    (ProgType.XDP, AttachType.XDP_CPUMAP): "an entry of a CPUMAP with it",
    (ProgType.SCHED_ACT, NO_ATTACH_TYPE): _FILTER,
    (ProgType.LWT_IN, NO_ATTACH_TYPE): _ROUTE.format("in"),
    (ProgType.LWT_OUT, NO_ATTACH_TYPE): _ROUTE.format("out"),
    (ProgType.LWT_XMIT, NO_ATTACH_TYPE): _ROUTE.format("xmit"),
    (ProgType.SYSCALL, NO_ATTACH_TYPE): "BPF_PROG_TEST_RUN (--pin-progs DIR)",
    (ProgType.LIRC_MODE2, AttachType.LIRC_MODE2): _INFRARED,
    (ProgType.LWT_SEG6LOCAL, NO_ATTACH_TYPE): _SEG6LOCAL,
}


def attach(program: Program, target: Target) -> Link:  # noqa: ARG001 - every hook's signature
    """Attach nothing, as libbpf does; log a warning with what must run the program."""
    _log.warning(
        "program '%s': %s: loaded, not attached: it must be run by %s",
        safe(program.name),
        safe(program.section),
        _RUN_BY[program.type, program.attach_type],
    )
    return Link()
