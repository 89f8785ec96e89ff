"""TABLE: what each ``SEC()`` prefix means. A row is the whole knowledge of one; adding a hook is adding a row.

The rows are libbpf's ``section_defs`` (v1.8), in its spelling and order. A trailing "+" means "as it stands, or
followed by /TARGET"; without it the section is the whole text.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from beepy.hooks import journal
from beepy.hooks.hook import TRACE, Hook, of
from beepy.hooks.target import Target
from beepy.text import safe, similar
from beepy.uapi import AttachType, ProgFlag, ProgType

__all__ = ["TABLE", "TAKES", "UNDO", "Hook", "Target", "find", "place", "reads_tracefs", "sweep", "target", "unknown"]

TABLE: Final[tuple[Hook, ...]] = (
    Hook("socket", ProgType.SOCKET_FILTER, attach=of("socket_filter.attach")),
    Hook(
        "sk_reuseport/migrate",
        ProgType.SK_REUSEPORT,
        AttachType.SK_REUSEPORT_SELECT_OR_MIGRATE,
        attach=of("reuseport.attach"),
    ),
    Hook("sk_reuseport", ProgType.SK_REUSEPORT, AttachType.SK_REUSEPORT_SELECT, attach=of("reuseport.attach")),
    Hook("kprobe+", ProgType.KPROBE, attach=of("kprobe.attach")),
    Hook("uprobe+", ProgType.KPROBE, attach=of("uprobe.attach")),
    Hook("uprobe.s+", ProgType.KPROBE, attach=of("uprobe.attach"), flags=ProgFlag.SLEEPABLE),
    Hook("kretprobe+", ProgType.KPROBE, attach=of("kprobe.attach_return")),
    Hook("uretprobe+", ProgType.KPROBE, attach=of("uprobe.attach_return")),
    Hook("uretprobe.s+", ProgType.KPROBE, attach=of("uprobe.attach_return"), flags=ProgFlag.SLEEPABLE),
    Hook("kprobe.multi+", ProgType.KPROBE, AttachType.TRACE_KPROBE_MULTI, attach=of("kprobe_multi.attach")),
    Hook("kretprobe.multi+", ProgType.KPROBE, AttachType.TRACE_KPROBE_MULTI, attach=of("kprobe_multi.attach_return")),
    Hook("kprobe.session+", ProgType.KPROBE, AttachType.TRACE_KPROBE_SESSION, attach=of("kprobe_multi.attach")),
    Hook("uprobe.multi+", ProgType.KPROBE, AttachType.TRACE_UPROBE_MULTI, attach=of("uprobe_multi.attach")),
    Hook("uretprobe.multi+", ProgType.KPROBE, AttachType.TRACE_UPROBE_MULTI, attach=of("uprobe_multi.attach_return")),
    Hook("uprobe.session+", ProgType.KPROBE, AttachType.TRACE_UPROBE_SESSION, attach=of("uprobe_multi.attach")),
    Hook(
        "uprobe.multi.s+",
        ProgType.KPROBE,
        AttachType.TRACE_UPROBE_MULTI,
        attach=of("uprobe_multi.attach"),
        flags=ProgFlag.SLEEPABLE,
    ),
    Hook(
        "uretprobe.multi.s+",
        ProgType.KPROBE,
        AttachType.TRACE_UPROBE_MULTI,
        attach=of("uprobe_multi.attach_return"),
        flags=ProgFlag.SLEEPABLE,
    ),
    Hook(
        "uprobe.session.s+",
        ProgType.KPROBE,
        AttachType.TRACE_UPROBE_SESSION,
        attach=of("uprobe_multi.attach"),
        flags=ProgFlag.SLEEPABLE,
    ),
    Hook("ksyscall+", ProgType.KPROBE, attach=of("kprobe.attach_syscall")),
    Hook("kretsyscall+", ProgType.KPROBE, attach=of("kprobe.attach_syscall_return")),
    Hook("usdt+", ProgType.KPROBE, attach=of("usdt.attach")),
    Hook("usdt.s+", ProgType.KPROBE, attach=of("usdt.attach"), flags=ProgFlag.SLEEPABLE),
    Hook("tc/ingress", ProgType.SCHED_CLS, AttachType.TCX_INGRESS, attach=of("tc.attach")),
    Hook("tc/egress", ProgType.SCHED_CLS, AttachType.TCX_EGRESS, attach=of("tc.attach")),
    Hook("tcx/ingress", ProgType.SCHED_CLS, AttachType.TCX_INGRESS, attach=of("tc.attach")),
    Hook("tcx/egress", ProgType.SCHED_CLS, AttachType.TCX_EGRESS, attach=of("tc.attach")),
    Hook("tc", ProgType.SCHED_CLS, attach=of("tc.attach")),
    Hook("classifier", ProgType.SCHED_CLS, attach=of("tc.attach")),
    Hook("action", ProgType.SCHED_ACT, attach=of("elsewhere.attach")),
    Hook("netkit/primary", ProgType.SCHED_CLS, AttachType.NETKIT_PRIMARY, attach=of("tc.attach_netkit")),
    Hook("netkit/peer", ProgType.SCHED_CLS, AttachType.NETKIT_PEER, attach=of("tc.attach_netkit")),
    Hook("tracepoint+", ProgType.TRACEPOINT, attach=of("tracepoint.attach")),
    Hook("tp+", ProgType.TRACEPOINT, attach=of("tracepoint.attach")),
    Hook("tracepoint.s+", ProgType.TRACEPOINT, attach=of("tracepoint.attach"), flags=ProgFlag.SLEEPABLE),
    Hook("tp.s+", ProgType.TRACEPOINT, attach=of("tracepoint.attach"), flags=ProgFlag.SLEEPABLE),
    Hook("raw_tracepoint+", ProgType.RAW_TRACEPOINT, attach=of("raw_tracepoint.attach")),
    Hook("raw_tp+", ProgType.RAW_TRACEPOINT, attach=of("raw_tracepoint.attach")),
    Hook("raw_tracepoint.s+", ProgType.RAW_TRACEPOINT, attach=of("raw_tracepoint.attach"), flags=ProgFlag.SLEEPABLE),
    Hook("raw_tp.s+", ProgType.RAW_TRACEPOINT, attach=of("raw_tracepoint.attach"), flags=ProgFlag.SLEEPABLE),
    Hook("raw_tracepoint.w+", ProgType.RAW_TRACEPOINT_WRITABLE, attach=of("raw_tracepoint.attach")),
    Hook("raw_tp.w+", ProgType.RAW_TRACEPOINT_WRITABLE, attach=of("raw_tracepoint.attach")),
    Hook("tp_btf+", ProgType.TRACING, AttachType.TRACE_RAW_TP, attach=of("raw_tracepoint.attach_typed"), btf=TRACE),
    Hook(
        "tp_btf.s+",
        ProgType.TRACING,
        AttachType.TRACE_RAW_TP,
        attach=of("raw_tracepoint.attach_typed"),
        btf=TRACE,
        flags=ProgFlag.SLEEPABLE,
    ),
    Hook("fentry+", ProgType.TRACING, AttachType.TRACE_FENTRY, attach=of("trampoline.attach"), btf=""),
    Hook("fmod_ret+", ProgType.TRACING, AttachType.MODIFY_RETURN, attach=of("trampoline.attach"), btf=""),
    Hook("fexit+", ProgType.TRACING, AttachType.TRACE_FEXIT, attach=of("trampoline.attach"), btf=""),
    Hook(
        "fentry.s+",
        ProgType.TRACING,
        AttachType.TRACE_FENTRY,
        attach=of("trampoline.attach"),
        btf="",
        flags=ProgFlag.SLEEPABLE,
    ),
    Hook(
        "fmod_ret.s+",
        ProgType.TRACING,
        AttachType.MODIFY_RETURN,
        attach=of("trampoline.attach"),
        btf="",
        flags=ProgFlag.SLEEPABLE,
    ),
    Hook(
        "fexit.s+",
        ProgType.TRACING,
        AttachType.TRACE_FEXIT,
        attach=of("trampoline.attach"),
        btf="",
        flags=ProgFlag.SLEEPABLE,
    ),
    Hook("fsession+", ProgType.TRACING, AttachType.TRACE_FSESSION, attach=of("trampoline.attach"), btf=""),
    Hook(
        "fsession.s+",
        ProgType.TRACING,
        AttachType.TRACE_FSESSION,
        attach=of("trampoline.attach"),
        btf="",
        flags=ProgFlag.SLEEPABLE,
    ),
    Hook("fsession.multi+", ProgType.TRACING, AttachType.TRACE_FSESSION_MULTI, attach=of("trampoline_multi.attach")),
    Hook(
        "fsession.multi.s+",
        ProgType.TRACING,
        AttachType.TRACE_FSESSION_MULTI,
        attach=of("trampoline_multi.attach"),
        flags=ProgFlag.SLEEPABLE,
    ),
    Hook("fentry.multi+", ProgType.TRACING, AttachType.TRACE_FENTRY_MULTI, attach=of("trampoline_multi.attach")),
    Hook("fexit.multi+", ProgType.TRACING, AttachType.TRACE_FEXIT_MULTI, attach=of("trampoline_multi.attach")),
    Hook(
        "fentry.multi.s+",
        ProgType.TRACING,
        AttachType.TRACE_FENTRY_MULTI,
        attach=of("trampoline_multi.attach"),
        flags=ProgFlag.SLEEPABLE,
    ),
    Hook(
        "fexit.multi.s+",
        ProgType.TRACING,
        AttachType.TRACE_FEXIT_MULTI,
        attach=of("trampoline_multi.attach"),
        flags=ProgFlag.SLEEPABLE,
    ),
    Hook("freplace+", ProgType.EXT, attach=of("trampoline.attach"), btf=""),
    Hook("lsm+", ProgType.LSM, AttachType.LSM_MAC, attach=of("trampoline.attach"), btf="bpf_lsm_"),
    Hook(
        "lsm.s+",
        ProgType.LSM,
        AttachType.LSM_MAC,
        attach=of("trampoline.attach"),
        btf="bpf_lsm_",
        flags=ProgFlag.SLEEPABLE,
    ),
    Hook("lsm_cgroup+", ProgType.LSM, AttachType.LSM_CGROUP, attach=of("cgroup.attach_lsm"), btf="bpf_lsm_"),
    Hook(
        "iter+",
        ProgType.TRACING,
        AttachType.TRACE_ITER,
        attach=of("iterator.attach"),
        reader=of("iterator.reader"),
        btf="bpf_iter_",
    ),
    Hook(
        "iter.s+",
        ProgType.TRACING,
        AttachType.TRACE_ITER,
        attach=of("iterator.attach"),
        reader=of("iterator.reader"),
        btf="bpf_iter_",
        flags=ProgFlag.SLEEPABLE,
    ),
    Hook("syscall", ProgType.SYSCALL, attach=of("elsewhere.attach"), flags=ProgFlag.SLEEPABLE),
    Hook(
        "xdp.frags/devmap",
        ProgType.XDP,
        AttachType.XDP_DEVMAP,
        attach=of("elsewhere.attach"),
        flags=ProgFlag.XDP_HAS_FRAGS,
    ),
    Hook("xdp/devmap", ProgType.XDP, AttachType.XDP_DEVMAP, attach=of("elsewhere.attach")),
    Hook(
        "xdp.frags/cpumap",
        ProgType.XDP,
        AttachType.XDP_CPUMAP,
        attach=of("elsewhere.attach"),
        flags=ProgFlag.XDP_HAS_FRAGS,
    ),
    Hook("xdp/cpumap", ProgType.XDP, AttachType.XDP_CPUMAP, attach=of("elsewhere.attach")),
    Hook("xdp.frags", ProgType.XDP, AttachType.XDP, attach=of("xdp.attach"), flags=ProgFlag.XDP_HAS_FRAGS),
    Hook("xdp", ProgType.XDP, AttachType.XDP, attach=of("xdp.attach"), optional=True),
    Hook("perf_event", ProgType.PERF_EVENT, attach=of("perf_event.attach")),
    Hook("lwt_in", ProgType.LWT_IN, attach=of("elsewhere.attach")),
    Hook("lwt_out", ProgType.LWT_OUT, attach=of("elsewhere.attach")),
    Hook("lwt_xmit", ProgType.LWT_XMIT, attach=of("elsewhere.attach")),
    Hook("lwt_seg6local", ProgType.LWT_SEG6LOCAL, attach=of("elsewhere.attach")),
    Hook("sockops", ProgType.SOCK_OPS, AttachType.CGROUP_SOCK_OPS, attach=of("cgroup.attach"), optional=True),
    Hook(
        "sk_skb/stream_parser",
        ProgType.SK_SKB,
        AttachType.SK_SKB_STREAM_PARSER,
        attach=of("sockmap.attach"),
        optional=True,
    ),
    Hook(
        "sk_skb/stream_verdict",
        ProgType.SK_SKB,
        AttachType.SK_SKB_STREAM_VERDICT,
        attach=of("sockmap.attach"),
        optional=True,
    ),
    Hook("sk_skb/verdict", ProgType.SK_SKB, AttachType.SK_SKB_VERDICT, attach=of("sockmap.attach"), optional=True),
    Hook("sk_skb", ProgType.SK_SKB, attach=of("sockmap.attach_vague")),
    Hook("sk_msg", ProgType.SK_MSG, AttachType.SK_MSG_VERDICT, attach=of("sockmap.attach"), optional=True),
    Hook("lirc_mode2", ProgType.LIRC_MODE2, AttachType.LIRC_MODE2, attach=of("elsewhere.attach"), optional=True),
    Hook(
        "flow_dissector",
        ProgType.FLOW_DISSECTOR,
        AttachType.FLOW_DISSECTOR,
        attach=of("namespace.attach_dissector"),
        optional=True,
    ),
    Hook(
        "cgroup_skb/ingress",
        ProgType.CGROUP_SKB,
        AttachType.CGROUP_INET_INGRESS,
        attach=of("cgroup.attach"),
        optional=True,
    ),
    Hook(
        "cgroup_skb/egress",
        ProgType.CGROUP_SKB,
        AttachType.CGROUP_INET_EGRESS,
        attach=of("cgroup.attach"),
        optional=True,
    ),
    Hook("cgroup/skb", ProgType.CGROUP_SKB, attach=of("cgroup.attach_both")),
    Hook("cgroup/sock_create", ProgType.CGROUP_SOCK, AttachType.CGROUP_INET_SOCK_CREATE, attach=of("cgroup.attach")),
    Hook("cgroup/sock_release", ProgType.CGROUP_SOCK, AttachType.CGROUP_INET_SOCK_RELEASE, attach=of("cgroup.attach")),
    Hook(
        "cgroup/sock",
        ProgType.CGROUP_SOCK,
        AttachType.CGROUP_INET_SOCK_CREATE,
        attach=of("cgroup.attach"),
        optional=True,
    ),
    Hook("cgroup/post_bind4", ProgType.CGROUP_SOCK, AttachType.CGROUP_INET4_POST_BIND, attach=of("cgroup.attach")),
    Hook("cgroup/post_bind6", ProgType.CGROUP_SOCK, AttachType.CGROUP_INET6_POST_BIND, attach=of("cgroup.attach")),
    Hook("cgroup/bind4", ProgType.CGROUP_SOCK_ADDR, AttachType.CGROUP_INET4_BIND, attach=of("cgroup.attach")),
    Hook("cgroup/bind6", ProgType.CGROUP_SOCK_ADDR, AttachType.CGROUP_INET6_BIND, attach=of("cgroup.attach")),
    Hook("cgroup/connect4", ProgType.CGROUP_SOCK_ADDR, AttachType.CGROUP_INET4_CONNECT, attach=of("cgroup.attach")),
    Hook("cgroup/connect6", ProgType.CGROUP_SOCK_ADDR, AttachType.CGROUP_INET6_CONNECT, attach=of("cgroup.attach")),
    Hook("cgroup/connect_unix", ProgType.CGROUP_SOCK_ADDR, AttachType.CGROUP_UNIX_CONNECT, attach=of("cgroup.attach")),
    Hook("cgroup/sendmsg4", ProgType.CGROUP_SOCK_ADDR, AttachType.CGROUP_UDP4_SENDMSG, attach=of("cgroup.attach")),
    Hook("cgroup/sendmsg6", ProgType.CGROUP_SOCK_ADDR, AttachType.CGROUP_UDP6_SENDMSG, attach=of("cgroup.attach")),
    Hook("cgroup/sendmsg_unix", ProgType.CGROUP_SOCK_ADDR, AttachType.CGROUP_UNIX_SENDMSG, attach=of("cgroup.attach")),
    Hook("cgroup/recvmsg4", ProgType.CGROUP_SOCK_ADDR, AttachType.CGROUP_UDP4_RECVMSG, attach=of("cgroup.attach")),
    Hook("cgroup/recvmsg6", ProgType.CGROUP_SOCK_ADDR, AttachType.CGROUP_UDP6_RECVMSG, attach=of("cgroup.attach")),
    Hook("cgroup/recvmsg_unix", ProgType.CGROUP_SOCK_ADDR, AttachType.CGROUP_UNIX_RECVMSG, attach=of("cgroup.attach")),
    Hook(
        "cgroup/getpeername4",
        ProgType.CGROUP_SOCK_ADDR,
        AttachType.CGROUP_INET4_GETPEERNAME,
        attach=of("cgroup.attach"),
    ),
    Hook(
        "cgroup/getpeername6",
        ProgType.CGROUP_SOCK_ADDR,
        AttachType.CGROUP_INET6_GETPEERNAME,
        attach=of("cgroup.attach"),
    ),
    Hook(
        "cgroup/getpeername_unix",
        ProgType.CGROUP_SOCK_ADDR,
        AttachType.CGROUP_UNIX_GETPEERNAME,
        attach=of("cgroup.attach"),
    ),
    Hook(
        "cgroup/getsockname4",
        ProgType.CGROUP_SOCK_ADDR,
        AttachType.CGROUP_INET4_GETSOCKNAME,
        attach=of("cgroup.attach"),
    ),
    Hook(
        "cgroup/getsockname6",
        ProgType.CGROUP_SOCK_ADDR,
        AttachType.CGROUP_INET6_GETSOCKNAME,
        attach=of("cgroup.attach"),
    ),
    Hook(
        "cgroup/getsockname_unix",
        ProgType.CGROUP_SOCK_ADDR,
        AttachType.CGROUP_UNIX_GETSOCKNAME,
        attach=of("cgroup.attach"),
    ),
    Hook("cgroup/sysctl", ProgType.CGROUP_SYSCTL, AttachType.CGROUP_SYSCTL, attach=of("cgroup.attach")),
    Hook("cgroup/getsockopt", ProgType.CGROUP_SOCKOPT, AttachType.CGROUP_GETSOCKOPT, attach=of("cgroup.attach")),
    Hook("cgroup/setsockopt", ProgType.CGROUP_SOCKOPT, AttachType.CGROUP_SETSOCKOPT, attach=of("cgroup.attach")),
    Hook("cgroup/dev", ProgType.CGROUP_DEVICE, AttachType.CGROUP_DEVICE, attach=of("cgroup.attach"), optional=True),
    Hook("struct_ops+", ProgType.STRUCT_OPS),
    Hook("struct_ops.s+", ProgType.STRUCT_OPS, flags=ProgFlag.SLEEPABLE),
    Hook("sk_lookup", ProgType.SK_LOOKUP, AttachType.SK_LOOKUP, attach=of("namespace.attach")),
    Hook("netfilter", ProgType.NETFILTER, AttachType.NETFILTER, attach=of("namespace.attach_netfilter")),
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
        "cgroup": of("cgroup.undo"),
        "flow_dissector": of("namespace.undo"),
        "sk_reuseport": of("reuseport.undo"),
        "tracefs event": of("probe.undo"),
        "tc": of("tc.undo"),
        "xdp": of("xdp.undo"),
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


def unknown(section: str) -> str:
    """Return what is wrong with a SEC() text that ``find`` has no row for."""
    expected = _meant(section.removeprefix("?"))
    told = f', expected SEC("{safe(expected)}")' if expected else ""
    return f"section '{safe(section)}': no program type is known by that name{told}"


def _meant(name: str) -> str:
    """Return the section that was probably meant by ``name``, "" if none is similar.

    ``name`` begins with a known one (``xdp/lo``, ``socket1``), or with a misspelled one (``kprob/vfs_read``).
    """
    rows = {hook.section.rstrip("+"): hook.section for hook in TABLE}
    begun = [prefix for prefix in rows if name.startswith(prefix) and not name[len(prefix) :][:1].isalpha()]
    head, _, rest = name.partition("/")
    near = [max(begun, key=len)] if begun else similar(head, rows)
    if not near:
        return ""
    return f"{near[0]}/{rest}" if rest and rows[near[0]].endswith("+") else near[0]


def target(hook: Hook, section: str) -> str:
    """Return where ``section`` asks to be attached: what follows the prefix and its slash, "" if nothing does."""
    return section.partition("/")[2] if hook.section[-1] == "+" else ""


def reads_tracefs(hook: Hook, name: str) -> bool:
    """Tell whether attaching to ``name`` reads tracefs: for a tracepoint's number, or for the functions that fit."""
    if hook.module in {"kprobe_multi", "trampoline_multi"}:
        return bool(set(name) & set("*?"))
    return hook.module == "tracepoint"


def place(section: str, where: Target) -> str:
    """Return where a program of ``section`` is attached, for messages: the section, or what overruled it, and more."""
    hook = find(section)
    if hook is None:
        return section
    text = section if where.name == target(hook, section) else f"{hook.section.rstrip('+')}/{where.name}"
    more = [(field, getattr(where, field)) for field in TAKES.get(hook.module, ())]
    said = ", ".join([f"{field} {value}" for field, value in more if value not in (None, "")])
    return f"{text} ({said})" if said else text
