"""Where programs are attached, as text: ``kprobe do_unlinkat+0x0``, ``tcx_ingress eth0``."""

from collections.abc import Sequence
from enum import IntEnum
from functools import cached_property
from typing import Final

from beepy import uapi
from beepy.btf.types import TypeId
from beepy.errors import BeepyError
from beepy.hooks import perf_event
from beepy.host.fdinfo import Holders
from beepy.kernel import btf, objects
from beepy.ps.cgroups import Cgroups
from beepy.ps.interfaces import Interfaces
from beepy.uapi import AttachType, LinkType, PerfEventType
from beepy.uapi_objects import LinkInfo, LinkInfoPerfEvent, TaskFdType

_PREFIXES: Final = ("btf_trace_", "bpf_lsm_", "bpf_iter_")  # of names of types that are attached to
_RETURN: Final = 1  # BPF_F_KPROBE_MULTI_RETURN, BPF_F_UPROBE_MULTI_RETURN
_FAMILIES: Final = {number: name for name, number in uapi.NFPROTO.items()}
_HOOKS: Final = {number: name for name, number in uapi.NF_INET.items()}


def lower_name(kind: type[IntEnum], number: int) -> str:
    """Return the kernel's name of a number, in lower case: ``sched_cls``."""
    return kind(number).name.lower() if number in set(kind) else f"type {number}"


def _attach_type(number: int) -> str:
    return lower_name(AttachType, number).removeprefix("trace_")


class Points:
    """Knows where the links and programs of one reading of the kernel are attached."""

    def __init__(
        self,
        programs: Sequence[uapi.ProgInfo],
        links: Sequence[tuple[LinkInfo, str]],
        holders: Holders,
    ) -> None:
        self._programs = {program.id: program for program in programs}
        self._holders = holders
        linked = {link.prog_id for link, _ in links}
        unlinked = [program for program in programs if program.id not in linked]
        self._cgroups = Cgroups([link for link, _ in links], unlinked)
        self._interfaces = Interfaces([link for link, _ in links], unlinked)

    def of_program(self, number: int, of_links: Sequence[str]) -> tuple[str, ...]:
        """Return where a program is attached: by its links, else where else it is found."""
        others = () if of_links else (*self._cgroups.of(number), *self._interfaces.of(number))
        of_events = () if of_links else [text for text, _ in self._perf_events.get(number, ())]
        return tuple(dict.fromkeys([*of_links, *others, *of_events]))

    def image(self, number: int, pids: set[int]) -> str | None:
        """Return the image of a program, if one of the processes that hold it says so."""
        images = [self._holders.images.get((pid, number)) for pid in sorted(pids)]
        return next((image for image in images if image), None)

    def pids_of_perf_events(self, number: int) -> set[int]:
        """Return the processes that hold perf events that run a program."""
        return {pid for _, pid in self._perf_events.get(number, ())}

    def of_link(self, link: LinkInfo, name: str) -> str:
        """Return where a link is attached; ``name`` is the one that it holds."""
        match link.type:
            case LinkType.RAW_TRACEPOINT | LinkType.ITER:
                return f"{lower_name(LinkType, link.type)} {name}"
            case LinkType.TRACING:
                return f"{_attach_type(link.tracing.attach_type)} {self._tracing_target(link)}"
            case LinkType.CGROUP:
                directory = self._cgroups.path(link.cgroup.cgroup_id)
                return f"{_attach_type(link.cgroup.attach_type)} {directory}"
            case LinkType.PERF_EVENT:
                return _of_perf_event(link.perf_event, name)
            case LinkType.KPROBE_MULTI:
                kind = "kretprobe" if link.kprobe_multi.flags & _RETURN else "kprobe"
                return f"{kind}.multi {link.kprobe_multi.count} functions"
            case LinkType.UPROBE_MULTI:
                kind = "uretprobe" if link.uprobe_multi.flags & _RETURN else "uprobe"
                return f"{kind}.multi {name} {link.uprobe_multi.count} places"
            case LinkType.TRACING_MULTI:
                kind = _attach_type(link.tracing_multi.attach_type)
                return f"{kind} {link.tracing_multi.count} functions"
            case LinkType.NETFILTER:
                family = _FAMILIES.get(link.netfilter.pf, link.netfilter.pf)
                hook = _HOOKS.get(link.netfilter.hooknum, link.netfilter.hooknum)
                return f"netfilter {family} {hook} priority {link.netfilter.priority}"
            case LinkType.XDP:
                return f"xdp {self._interfaces.name(link.xdp.ifindex, link.prog_id)}"
            case LinkType.TCX | LinkType.NETKIT:
                interface = self._interfaces.name(link.tcx.ifindex, link.prog_id)
                return f"{_attach_type(link.tcx.attach_type)} {interface}"
            case LinkType.NETNS:
                return f"{_attach_type(link.netns.attach_type)} netns {link.netns.ifindex}"
            case LinkType.STRUCT_OPS:
                return f"struct_ops map {link.struct_ops.ifindex}"
            case LinkType.SOCKMAP:
                return f"{_attach_type(link.sockmap.attach_type)} map {link.sockmap.ifindex}"
            case _:
                return lower_name(LinkType, link.type)

    def _tracing_target(self, link: LinkInfo) -> str:
        """Return the function or type that a program of the types tracing, lsm or ext attaches to.

        The link has the id of a BTF or of a program; which of them, the program says.
        """
        program = self._programs.get(link.prog_id)
        if program is None:  # loaded since
            return "-"
        if program.type == uapi.ProgType.EXT or not program.attach_btf_obj_id:
            return f"program {link.tracing.target_obj_id}"
        try:
            types = btf.by_id(program.attach_btf_obj_id)
            name = types.string(types.name_offset(TypeId(program.attach_btf_id)))
        except BeepyError:
            return f"type {program.attach_btf_id}"
        for prefix in _PREFIXES:
            name = name.removeprefix(prefix)
        return name

    @cached_property
    def _perf_events(self) -> dict[int, list[tuple[str, int]]]:
        """Where programs are attached through perf events, with the process that holds these."""
        places: dict[int, list[tuple[str, int]]] = {}
        for pid, number in self._holders.perf_events():
            try:
                event, name = objects.of_perf_event(pid, number)
            except BeepyError:  # without a program, or gone
                continue
            offset = f"+{event.probe_offset:#x}" if event.fd_type > TaskFdType.TRACEPOINT else ""
            text = f"{lower_name(TaskFdType, event.fd_type)} {name}{offset}"
            places.setdefault(event.prog_id, []).append((text, pid))
        return places


def _of_perf_event(event: LinkInfoPerfEvent, name: str) -> str:
    probe, kind = event.kprobe, lower_name(PerfEventType, event.type)
    match event.type:
        case PerfEventType.KPROBE | PerfEventType.KRETPROBE:
            return f"{kind} {name or hex(probe.addr)}+{probe.offset:#x}"
        case PerfEventType.UPROBE | PerfEventType.URETPROBE:
            return f"{kind} {name or '-'}+{probe.offset:#x}"
        case PerfEventType.TRACEPOINT:
            return f"tracepoint {name}"
        case PerfEventType.EVENT:
            # struct event { __u64 config; __u32 type; } has the places of name and length
            return f"perf_event {perf_event.name(probe.name_len, probe.func_name)}"
        case _:  # before v6.6 (1b715e1b0ec5) a link does not say more
            return "perf_event"
