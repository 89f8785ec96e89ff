"""TABLE: what each ``SEC()`` prefix means. A row is the whole knowledge of one; adding a hook is adding a row.

The rows are libbpf's ``section_defs`` (v1.8), in its spelling and order. A trailing "+" means "as it stands, or
followed by /TARGET"; without it the section is the whole text.
"""

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from beepy.btf.types import Kind
from beepy.events.batch import Reader
from beepy.hooks import journal
from beepy.hooks.target import Target
from beepy.kernel.link import Link
from beepy.kernel.program import Program
from beepy.uapi import NO_ATTACH_TYPE, AttachType, ProgFlag, ProgType

__all__ = ["TABLE", "TAKES", "UNDO", "Hook", "Target", "find", "place", "sweep", "target"]

_TRACE: Final = "btf_trace_"


class Hook(NamedTuple):
    """What one ``SEC()`` prefix means; see libbpf's ``section_defs``.

    ``prog_type``, ``attach_type`` and ``flags`` go into BPF_PROG_LOAD. ``optional``: a kernel that refuses the attach
    type may load the program without (SEC_EXP_ATTACH_OPT). ``btf`` is the prefix of the kernel type to attach to, None
    where no type is needed. ``attach`` None: its map does it (struct_ops). ``reader`` reads what the program
    itself writes, for the image of that name; the caller closes it.
    """

    section: str
    prog_type: ProgType
    attach_type: AttachType = NO_ATTACH_TYPE
    attach: Callable[[Program, Target], Link] | None = None
    btf: str | None = None
    flags: ProgFlag = ProgFlag(0)
    optional: bool = False
    reader: Callable[[Program, Target, str], Reader] | None = None

    @property
    def mechanism(self) -> str:
        """Where it is attached, as ``module.function`` of this room; "" where it is not."""
        return ".".join(self.attach.args) if isinstance(self.attach, partial) else ""

    @property
    def module(self) -> str:
        """Which module of this room attaches it; "" where none does."""
        return self.mechanism.partition(".")[0]

    @property
    def btf_target(self) -> tuple[str, Kind] | None:
        """Prefix and kind of the type whose id BPF_PROG_LOAD wants as ``attach_btf_id``, None if it wants none.

        The type's name is the prefix and the target's: ``tp_btf/sched_switch`` is the typedef btf_trace_sched_switch,
        ``lsm/file_open`` the function bpf_lsm_file_open; ``MODULE:NAME`` is a module's. A program of type EXT
        (freplace) names a function of another program, not of the kernel.
        """
        if self.btf is None:
            return None
        return self.btf, Kind.TYPEDEF if self.btf == _TRACE else Kind.FUNC


def _call(module: str, function: str, *arguments: object) -> Any:  # noqa: ANN401 - a link, a reader, or nothing
    return getattr(import_module(f"beepy.hooks.{module}"), function)(*arguments)


def _of(place: str) -> Callable[..., Any]:
    """Return the function at ``module.name`` of this room; its module is read at the first call: a run needs few."""
    return partial(_call, *place.split("."))


TABLE: Final[tuple[Hook, ...]] = (
    Hook("socket", ProgType.SOCKET_FILTER, attach=_of("socket_filter.attach")),
    Hook(
        "sk_reuseport/migrate",
        ProgType.SK_REUSEPORT,
        AttachType.SK_REUSEPORT_SELECT_OR_MIGRATE,
        attach=_of("reuseport.attach"),
    ),
    Hook("sk_reuseport", ProgType.SK_REUSEPORT, AttachType.SK_REUSEPORT_SELECT, attach=_of("reuseport.attach")),
    Hook("kprobe+", ProgType.KPROBE, attach=_of("kprobe.attach")),
    Hook("uprobe+", ProgType.KPROBE, attach=_of("uprobe.attach")),
    Hook("uprobe.s+", ProgType.KPROBE, attach=_of("uprobe.attach"), flags=ProgFlag.SLEEPABLE),
    Hook("kretprobe+", ProgType.KPROBE, attach=_of("kprobe.attach_return")),
    Hook("uretprobe+", ProgType.KPROBE, attach=_of("uprobe.attach_return")),
    Hook("uretprobe.s+", ProgType.KPROBE, attach=_of("uprobe.attach_return"), flags=ProgFlag.SLEEPABLE),
    Hook("kprobe.multi+", ProgType.KPROBE, AttachType.TRACE_KPROBE_MULTI, attach=_of("kprobe_multi.attach")),
    Hook("kretprobe.multi+", ProgType.KPROBE, AttachType.TRACE_KPROBE_MULTI, attach=_of("kprobe_multi.attach_return")),
    Hook("kprobe.session+", ProgType.KPROBE, AttachType.TRACE_KPROBE_SESSION, attach=_of("kprobe_multi.attach")),
    Hook("uprobe.multi+", ProgType.KPROBE, AttachType.TRACE_UPROBE_MULTI, attach=_of("uprobe_multi.attach")),
    Hook("uretprobe.multi+", ProgType.KPROBE, AttachType.TRACE_UPROBE_MULTI, attach=_of("uprobe_multi.attach_return")),
    Hook("uprobe.session+", ProgType.KPROBE, AttachType.TRACE_UPROBE_SESSION, attach=_of("uprobe_multi.attach")),
    Hook(
        "uprobe.multi.s+",
        ProgType.KPROBE,
        AttachType.TRACE_UPROBE_MULTI,
        attach=_of("uprobe_multi.attach"),
        flags=ProgFlag.SLEEPABLE,
    ),
    Hook(
        "uretprobe.multi.s+",
        ProgType.KPROBE,
        AttachType.TRACE_UPROBE_MULTI,
        attach=_of("uprobe_multi.attach_return"),
        flags=ProgFlag.SLEEPABLE,
    ),
    Hook(
        "uprobe.session.s+",
        ProgType.KPROBE,
        AttachType.TRACE_UPROBE_SESSION,
        attach=_of("uprobe_multi.attach"),
        flags=ProgFlag.SLEEPABLE,
    ),
    Hook("ksyscall+", ProgType.KPROBE, attach=_of("kprobe.attach_syscall")),
    Hook("kretsyscall+", ProgType.KPROBE, attach=_of("kprobe.attach_syscall_return")),
    Hook("usdt+", ProgType.KPROBE, attach=_of("usdt.attach")),
    Hook("usdt.s+", ProgType.KPROBE, attach=_of("usdt.attach"), flags=ProgFlag.SLEEPABLE),
    Hook("tc/ingress", ProgType.SCHED_CLS, AttachType.TCX_INGRESS, attach=_of("tc.attach")),
    Hook("tc/egress", ProgType.SCHED_CLS, AttachType.TCX_EGRESS, attach=_of("tc.attach")),
    Hook("tcx/ingress", ProgType.SCHED_CLS, AttachType.TCX_INGRESS, attach=_of("tc.attach")),
    Hook("tcx/egress", ProgType.SCHED_CLS, AttachType.TCX_EGRESS, attach=_of("tc.attach")),
    Hook("tc", ProgType.SCHED_CLS, attach=_of("tc.attach")),
    Hook("classifier", ProgType.SCHED_CLS, attach=_of("tc.attach")),
    Hook("action", ProgType.SCHED_ACT, attach=_of("elsewhere.attach")),
    Hook("netkit/primary", ProgType.SCHED_CLS, AttachType.NETKIT_PRIMARY, attach=_of("tc.attach_netkit")),
    Hook("netkit/peer", ProgType.SCHED_CLS, AttachType.NETKIT_PEER, attach=_of("tc.attach_netkit")),
    Hook("tracepoint+", ProgType.TRACEPOINT, attach=_of("tracepoint.attach")),
    Hook("tp+", ProgType.TRACEPOINT, attach=_of("tracepoint.attach")),
    Hook("tracepoint.s+", ProgType.TRACEPOINT, attach=_of("tracepoint.attach"), flags=ProgFlag.SLEEPABLE),
    Hook("tp.s+", ProgType.TRACEPOINT, attach=_of("tracepoint.attach"), flags=ProgFlag.SLEEPABLE),
    Hook("raw_tracepoint+", ProgType.RAW_TRACEPOINT, attach=_of("raw_tracepoint.attach")),
    Hook("raw_tp+", ProgType.RAW_TRACEPOINT, attach=_of("raw_tracepoint.attach")),
    Hook("raw_tracepoint.s+", ProgType.RAW_TRACEPOINT, attach=_of("raw_tracepoint.attach"), flags=ProgFlag.SLEEPABLE),
    Hook("raw_tp.s+", ProgType.RAW_TRACEPOINT, attach=_of("raw_tracepoint.attach"), flags=ProgFlag.SLEEPABLE),
    Hook("raw_tracepoint.w+", ProgType.RAW_TRACEPOINT_WRITABLE, attach=_of("raw_tracepoint.attach")),
    Hook("raw_tp.w+", ProgType.RAW_TRACEPOINT_WRITABLE, attach=_of("raw_tracepoint.attach")),
    Hook("tp_btf+", ProgType.TRACING, AttachType.TRACE_RAW_TP, attach=_of("raw_tracepoint.attach_typed"), btf=_TRACE),
    Hook(
        "tp_btf.s+",
        ProgType.TRACING,
        AttachType.TRACE_RAW_TP,
        attach=_of("raw_tracepoint.attach_typed"),
        btf=_TRACE,
        flags=ProgFlag.SLEEPABLE,
    ),
    Hook("fentry+", ProgType.TRACING, AttachType.TRACE_FENTRY, attach=_of("trampoline.attach"), btf=""),
    Hook("fmod_ret+", ProgType.TRACING, AttachType.MODIFY_RETURN, attach=_of("trampoline.attach"), btf=""),
    Hook("fexit+", ProgType.TRACING, AttachType.TRACE_FEXIT, attach=_of("trampoline.attach"), btf=""),
    Hook(
        "fentry.s+",
        ProgType.TRACING,
        AttachType.TRACE_FENTRY,
        attach=_of("trampoline.attach"),
        btf="",
        flags=ProgFlag.SLEEPABLE,
    ),
    Hook(
        "fmod_ret.s+",
        ProgType.TRACING,
        AttachType.MODIFY_RETURN,
        attach=_of("trampoline.attach"),
        btf="",
        flags=ProgFlag.SLEEPABLE,
    ),
    Hook(
        "fexit.s+",
        ProgType.TRACING,
        AttachType.TRACE_FEXIT,
        attach=_of("trampoline.attach"),
        btf="",
        flags=ProgFlag.SLEEPABLE,
    ),
    Hook("fsession+", ProgType.TRACING, AttachType.TRACE_FSESSION, attach=_of("trampoline.attach"), btf=""),
    Hook(
        "fsession.s+",
        ProgType.TRACING,
        AttachType.TRACE_FSESSION,
        attach=_of("trampoline.attach"),
        btf="",
        flags=ProgFlag.SLEEPABLE,
    ),
    Hook("fsession.multi+", ProgType.TRACING, AttachType.TRACE_FSESSION_MULTI, attach=_of("trampoline_multi.attach")),
    Hook(
        "fsession.multi.s+",
        ProgType.TRACING,
        AttachType.TRACE_FSESSION_MULTI,
        attach=_of("trampoline_multi.attach"),
        flags=ProgFlag.SLEEPABLE,
    ),
    Hook("fentry.multi+", ProgType.TRACING, AttachType.TRACE_FENTRY_MULTI, attach=_of("trampoline_multi.attach")),
    Hook("fexit.multi+", ProgType.TRACING, AttachType.TRACE_FEXIT_MULTI, attach=_of("trampoline_multi.attach")),
    Hook(
        "fentry.multi.s+",
        ProgType.TRACING,
        AttachType.TRACE_FENTRY_MULTI,
        attach=_of("trampoline_multi.attach"),
        flags=ProgFlag.SLEEPABLE,
    ),
    Hook(
        "fexit.multi.s+",
        ProgType.TRACING,
        AttachType.TRACE_FEXIT_MULTI,
        attach=_of("trampoline_multi.attach"),
        flags=ProgFlag.SLEEPABLE,
    ),
    Hook("freplace+", ProgType.EXT, attach=_of("trampoline.attach"), btf=""),
    Hook("lsm+", ProgType.LSM, AttachType.LSM_MAC, attach=_of("trampoline.attach"), btf="bpf_lsm_"),
    Hook(
        "lsm.s+",
        ProgType.LSM,
        AttachType.LSM_MAC,
        attach=_of("trampoline.attach"),
        btf="bpf_lsm_",
        flags=ProgFlag.SLEEPABLE,
    ),
    Hook("lsm_cgroup+", ProgType.LSM, AttachType.LSM_CGROUP, attach=_of("cgroup.attach_lsm"), btf="bpf_lsm_"),
    Hook(
        "iter+",
        ProgType.TRACING,
        AttachType.TRACE_ITER,
        attach=_of("iterator.attach"),
        reader=_of("iterator.reader"),
        btf="bpf_iter_",
    ),
    Hook(
        "iter.s+",
        ProgType.TRACING,
        AttachType.TRACE_ITER,
        attach=_of("iterator.attach"),
        reader=_of("iterator.reader"),
        btf="bpf_iter_",
        flags=ProgFlag.SLEEPABLE,
    ),
    Hook("syscall", ProgType.SYSCALL, attach=_of("elsewhere.attach"), flags=ProgFlag.SLEEPABLE),
    Hook(
        "xdp.frags/devmap",
        ProgType.XDP,
        AttachType.XDP_DEVMAP,
        attach=_of("elsewhere.attach"),
        flags=ProgFlag.XDP_HAS_FRAGS,
    ),
    Hook("xdp/devmap", ProgType.XDP, AttachType.XDP_DEVMAP, attach=_of("elsewhere.attach")),
    Hook(
        "xdp.frags/cpumap",
        ProgType.XDP,
        AttachType.XDP_CPUMAP,
        attach=_of("elsewhere.attach"),
        flags=ProgFlag.XDP_HAS_FRAGS,
    ),
    Hook("xdp/cpumap", ProgType.XDP, AttachType.XDP_CPUMAP, attach=_of("elsewhere.attach")),
    Hook("xdp.frags", ProgType.XDP, AttachType.XDP, attach=_of("xdp.attach"), flags=ProgFlag.XDP_HAS_FRAGS),
    Hook("xdp", ProgType.XDP, AttachType.XDP, attach=_of("xdp.attach"), optional=True),
    Hook("perf_event", ProgType.PERF_EVENT, attach=_of("perf_event.attach")),
    Hook("lwt_in", ProgType.LWT_IN, attach=_of("elsewhere.attach")),
    Hook("lwt_out", ProgType.LWT_OUT, attach=_of("elsewhere.attach")),
    Hook("lwt_xmit", ProgType.LWT_XMIT, attach=_of("elsewhere.attach")),
    Hook("lwt_seg6local", ProgType.LWT_SEG6LOCAL, attach=_of("elsewhere.attach")),
    Hook("sockops", ProgType.SOCK_OPS, AttachType.CGROUP_SOCK_OPS, attach=_of("cgroup.attach"), optional=True),
    Hook(
        "sk_skb/stream_parser",
        ProgType.SK_SKB,
        AttachType.SK_SKB_STREAM_PARSER,
        attach=_of("sockmap.attach"),
        optional=True,
    ),
    Hook(
        "sk_skb/stream_verdict",
        ProgType.SK_SKB,
        AttachType.SK_SKB_STREAM_VERDICT,
        attach=_of("sockmap.attach"),
        optional=True,
    ),
    Hook("sk_skb/verdict", ProgType.SK_SKB, AttachType.SK_SKB_VERDICT, attach=_of("sockmap.attach"), optional=True),
    Hook("sk_skb", ProgType.SK_SKB, attach=_of("sockmap.attach_vague")),
    Hook("sk_msg", ProgType.SK_MSG, AttachType.SK_MSG_VERDICT, attach=_of("sockmap.attach"), optional=True),
    Hook("lirc_mode2", ProgType.LIRC_MODE2, AttachType.LIRC_MODE2, attach=_of("elsewhere.attach"), optional=True),
    Hook(
        "flow_dissector",
        ProgType.FLOW_DISSECTOR,
        AttachType.FLOW_DISSECTOR,
        attach=_of("namespace.attach_dissector"),
        optional=True,
    ),
    Hook(
        "cgroup_skb/ingress",
        ProgType.CGROUP_SKB,
        AttachType.CGROUP_INET_INGRESS,
        attach=_of("cgroup.attach"),
        optional=True,
    ),
    Hook(
        "cgroup_skb/egress",
        ProgType.CGROUP_SKB,
        AttachType.CGROUP_INET_EGRESS,
        attach=_of("cgroup.attach"),
        optional=True,
    ),
    Hook("cgroup/skb", ProgType.CGROUP_SKB, attach=_of("cgroup.attach_both")),
    Hook("cgroup/sock_create", ProgType.CGROUP_SOCK, AttachType.CGROUP_INET_SOCK_CREATE, attach=_of("cgroup.attach")),
    Hook("cgroup/sock_release", ProgType.CGROUP_SOCK, AttachType.CGROUP_INET_SOCK_RELEASE, attach=_of("cgroup.attach")),
    Hook(
        "cgroup/sock",
        ProgType.CGROUP_SOCK,
        AttachType.CGROUP_INET_SOCK_CREATE,
        attach=_of("cgroup.attach"),
        optional=True,
    ),
    Hook("cgroup/post_bind4", ProgType.CGROUP_SOCK, AttachType.CGROUP_INET4_POST_BIND, attach=_of("cgroup.attach")),
    Hook("cgroup/post_bind6", ProgType.CGROUP_SOCK, AttachType.CGROUP_INET6_POST_BIND, attach=_of("cgroup.attach")),
    Hook("cgroup/bind4", ProgType.CGROUP_SOCK_ADDR, AttachType.CGROUP_INET4_BIND, attach=_of("cgroup.attach")),
    Hook("cgroup/bind6", ProgType.CGROUP_SOCK_ADDR, AttachType.CGROUP_INET6_BIND, attach=_of("cgroup.attach")),
    Hook("cgroup/connect4", ProgType.CGROUP_SOCK_ADDR, AttachType.CGROUP_INET4_CONNECT, attach=_of("cgroup.attach")),
    Hook("cgroup/connect6", ProgType.CGROUP_SOCK_ADDR, AttachType.CGROUP_INET6_CONNECT, attach=_of("cgroup.attach")),
    Hook("cgroup/connect_unix", ProgType.CGROUP_SOCK_ADDR, AttachType.CGROUP_UNIX_CONNECT, attach=_of("cgroup.attach")),
    Hook("cgroup/sendmsg4", ProgType.CGROUP_SOCK_ADDR, AttachType.CGROUP_UDP4_SENDMSG, attach=_of("cgroup.attach")),
    Hook("cgroup/sendmsg6", ProgType.CGROUP_SOCK_ADDR, AttachType.CGROUP_UDP6_SENDMSG, attach=_of("cgroup.attach")),
    Hook("cgroup/sendmsg_unix", ProgType.CGROUP_SOCK_ADDR, AttachType.CGROUP_UNIX_SENDMSG, attach=_of("cgroup.attach")),
    Hook("cgroup/recvmsg4", ProgType.CGROUP_SOCK_ADDR, AttachType.CGROUP_UDP4_RECVMSG, attach=_of("cgroup.attach")),
    Hook("cgroup/recvmsg6", ProgType.CGROUP_SOCK_ADDR, AttachType.CGROUP_UDP6_RECVMSG, attach=_of("cgroup.attach")),
    Hook("cgroup/recvmsg_unix", ProgType.CGROUP_SOCK_ADDR, AttachType.CGROUP_UNIX_RECVMSG, attach=_of("cgroup.attach")),
    Hook(
        "cgroup/getpeername4",
        ProgType.CGROUP_SOCK_ADDR,
        AttachType.CGROUP_INET4_GETPEERNAME,
        attach=_of("cgroup.attach"),
    ),
    Hook(
        "cgroup/getpeername6",
        ProgType.CGROUP_SOCK_ADDR,
        AttachType.CGROUP_INET6_GETPEERNAME,
        attach=_of("cgroup.attach"),
    ),
    Hook(
        "cgroup/getpeername_unix",
        ProgType.CGROUP_SOCK_ADDR,
        AttachType.CGROUP_UNIX_GETPEERNAME,
        attach=_of("cgroup.attach"),
    ),
    Hook(
        "cgroup/getsockname4",
        ProgType.CGROUP_SOCK_ADDR,
        AttachType.CGROUP_INET4_GETSOCKNAME,
        attach=_of("cgroup.attach"),
    ),
    Hook(
        "cgroup/getsockname6",
        ProgType.CGROUP_SOCK_ADDR,
        AttachType.CGROUP_INET6_GETSOCKNAME,
        attach=_of("cgroup.attach"),
    ),
    Hook(
        "cgroup/getsockname_unix",
        ProgType.CGROUP_SOCK_ADDR,
        AttachType.CGROUP_UNIX_GETSOCKNAME,
        attach=_of("cgroup.attach"),
    ),
    Hook("cgroup/sysctl", ProgType.CGROUP_SYSCTL, AttachType.CGROUP_SYSCTL, attach=_of("cgroup.attach")),
    Hook("cgroup/getsockopt", ProgType.CGROUP_SOCKOPT, AttachType.CGROUP_GETSOCKOPT, attach=_of("cgroup.attach")),
    Hook("cgroup/setsockopt", ProgType.CGROUP_SOCKOPT, AttachType.CGROUP_SETSOCKOPT, attach=_of("cgroup.attach")),
    Hook("cgroup/dev", ProgType.CGROUP_DEVICE, AttachType.CGROUP_DEVICE, attach=_of("cgroup.attach"), optional=True),
    Hook("struct_ops+", ProgType.STRUCT_OPS),
    Hook("struct_ops.s+", ProgType.STRUCT_OPS, flags=ProgFlag.SLEEPABLE),
    Hook("sk_lookup", ProgType.SK_LOOKUP, AttachType.SK_LOOKUP, attach=_of("namespace.attach")),
    Hook("netfilter", ProgType.NETFILTER, AttachType.NETFILTER, attach=_of("namespace.attach_netfilter")),
)

TAKES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "cgroup": ("cgroup",),
        "iterator": ("pid",),
        "namespace": ("netns",),
        "perf_event": ("pid",),
        "reuseport": ("pid",),
        "socket_filter": ("iface", "netns"),
        "tc": ("iface", "netns"),
        "uprobe": ("binary", "pid"),
        "uprobe_multi": ("binary", "pid"),
        "usdt": ("binary", "pid"),
        "xdp": ("iface", "netns"),
    }
)
"""Which fields of a Target each module reads, besides its name and maps; the others read none."""

UNDO: Final[Mapping[str, Callable[..., None]]] = MappingProxyType(
    {
        "cgroup": _of("cgroup.undo"),
        "flow_dissector": _of("namespace.undo"),
        "sk_reuseport": _of("reuseport.undo"),
        "tracefs event": _of("probe.undo"),
        "tc": _of("tc.undo"),
        "xdp": _of("xdp.undo"),
    }
)
"""How each kind of journal entry is undone: what the mechanisms note there outlives a killed process."""


def sweep() -> None:
    """Undo what killed processes left behind; every attaching begins with it."""
    journal.sweep(UNDO)


def find(section: str) -> Hook | None:
    """Return the row of a SEC() text, None if libbpf knows none; "?" before it (autoload off) is no part of it."""
    name = section.removeprefix("?")
    for hook in TABLE:
        if hook.section[-1] == "+":
            prefix = hook.section[:-1]
            if name.startswith(prefix) and name[len(prefix) : len(prefix) + 1] in {"", "/"}:
                return hook
        elif name == hook.section:
            return hook
    return None


def target(hook: Hook, section: str) -> str:
    """Return where ``section`` asks to be attached: what follows the prefix and its slash, "" if nothing does."""
    return section.partition("/")[2] if hook.section[-1] == "+" else ""


def place(section: str, where: Target) -> str:
    """Return where a program of ``section`` is attached, for messages: the section, or what overruled it, and more."""
    hook = find(section)
    if hook is None:
        return section
    text = section if where.name == target(hook, section) else f"{hook.section.rstrip('+')}/{where.name}"
    more = [(field, getattr(where, field)) for field in TAKES.get(hook.module, ())]
    said = ", ".join([f"{field} {value}" for field, value in more if value not in (None, "")])
    return f"{text} ({said})" if said else text
