"""TABLE: what each ``SEC()`` prefix means, as pure data: a row has all that is known of a prefix.

The rows are libbpf's ``section_defs`` (v1.8), in its spelling and order. With a trailing "+" the
section is the prefix alone or PREFIX/TARGET; without it the section is exactly that text. What
other loaders accept beside these is in ``lenient`` and ``NAMED_TARGETS``.
"""

from enum import Enum
from typing import Final, Literal, NamedTuple, get_args

from beepy.btf.types import Kind
from beepy.uapi import NO_ATTACH_TYPE, AttachType, ProgFlag, ProgType

TRACE: Final = "btf_trace_"
"""Prefix of the typedefs that the kernel's BTF has for tracepoints."""

Option = Literal["cgroup", "pid", "netns", "iface", "binary"]
"""An option of ``run`` that chooses where to attach; a field of ``hooks.Target``."""

OPTIONS: Final[tuple[Option, ...]] = get_args(Option)


class Mechanism(Enum):
    """How a program is attached. Values are a module of ``hooks`` and the options that it uses."""

    CGROUP = "cgroup", ("cgroup",)
    CGROUP_SKB = "cgroup_skb", ("cgroup",)
    FLOW_DISSECTOR = "flow_dissector", ("netns",)
    ITERATOR = "iterator", ("pid",)
    KPROBE = "kprobe"
    KPROBE_MULTI = "kprobe_multi"
    KSYSCALL = "ksyscall"
    NAMESPACE = "namespace", ("netns",)
    NETFILTER = "netfilter", ("netns",)
    NETKIT = "netkit", ("iface", "netns")
    NOT_ATTACHABLE = "not_attachable"
    PERF_EVENT = "perf_event", ("pid",)
    RAW_TRACEPOINT = "raw_tracepoint"
    REUSEPORT = "reuseport", ("pid",)
    SOCKET_FILTER = "socket_filter", ("iface", "netns")
    SOCKMAP = "sockmap"
    TC = "tc", ("iface", "netns")
    TRACEPOINT = "tracepoint"
    TRAMPOLINE = "trampoline"
    TRAMPOLINE_MULTI = "trampoline_multi"
    UPROBE = "uprobe", ("binary", "pid")
    UPROBE_MULTI = "uprobe_multi", ("binary", "pid")
    USDT = "usdt", ("binary", "pid")
    XDP = "xdp", ("iface", "netns")

    def __init__(self, module: str, options: tuple[Option, ...] = ()) -> None:
        self.module = module
        self.options = options

    @property
    def opens_uprobes(self) -> bool:
        """Tell whether it opens perf events of uprobes, as links of uprobe_multi do not.

        Such events need CAP_SYS_ADMIN ("perf: Revert to requiring CAP_SYS_ADMIN for uprobes",
        v6.16, and stable kernels since); CAP_PERFMON is enough for the links.
        """
        return self in (Mechanism.UPROBE, Mechanism.USDT)

    def reads_tracefs(self, name: str) -> bool:
        """Tell whether attaching to ``name`` reads tracefs: a tracepoint's number, a pattern."""
        if self in (Mechanism.KPROBE_MULTI, Mechanism.TRAMPOLINE_MULTI):
            return is_pattern(name)
        return self is Mechanism.TRACEPOINT


class Hook(NamedTuple):
    """What one ``SEC()`` prefix means; see libbpf's ``section_defs``.

    ``prog_type``, ``attach_type`` and ``flags`` are those of BPF_PROG_LOAD. ``optional``: if the
    kernel refuses the attach type, the program is loaded without it (SEC_EXP_ATTACH_OPT).
    ``unchecked``: older kernels ignore the attach type. ``mechanism`` None: the program is attached
    by its map (struct_ops). ``returns``: the program runs when functions return. ``effect`` is what
    a program can change by its return value or by writing to its context; ``context_effect`` what
    only a program changes that writes to its context. ``type_prefix`` is put before the target's
    name to get the name of the kernel type to attach to; None: the program attaches to no type.
    """

    section: str
    prog_type: ProgType
    attach_type: AttachType = NO_ATTACH_TYPE
    mechanism: Mechanism | None = None
    effect: str = ""
    flags: ProgFlag = ProgFlag(0)
    optional: bool = False
    unchecked: bool = False
    returns: bool = False
    context_effect: str = ""
    type_prefix: str | None = None

    @property
    def options(self) -> tuple[Option, ...]:
        """Return the options of ``run`` that choose where to attach such a program."""
        return self.mechanism.options if self.mechanism else ()

    @property
    def needs_attach_type(self) -> bool:
        """Tell whether only a kernel that knows the attach type can load such a program."""
        return self.attach_type != NO_ATTACH_TYPE and not (self.optional or self.unchecked)

    def kernel_type(self, target: str) -> tuple[str, str, Kind] | None:
        """Return module, name and kind of the kernel type to attach to (``attach_btf_id``).

        The name is the prefix and the target's name: ``tp_btf/sched_switch`` is the typedef
        btf_trace_sched_switch, ``lsm/file_open`` the function bpf_lsm_file_open. A target
        ``MODULE:NAME`` names a module, "vmlinux" for the kernel itself; else the module is "". Text
        after a slash (``iter/bpf_map_elem/MAP``) is not part of the name. Return None if the
        program attaches to no type, or to a function of another program (freplace).
        """
        if self.type_prefix is None or self.prog_type == ProgType.EXT:
            return None
        module, _, name = target.rpartition(":")
        kind = Kind.TYPEDEF if self.type_prefix == TRACE else Kind.FUNC
        return module, self.type_prefix + name.partition("/")[0], kind


_SLEEPABLE: Final = ProgFlag.SLEEPABLE
_FRAGS: Final = ProgFlag.XDP_HAS_FRAGS
_NO_FLAGS: Final = ProgFlag(0)


def _family(
    prog_type: ProgType,
    mechanism: Mechanism | None,
    effect: str = "",
    *,
    context_effect: str = "",
    type_prefix: str | None = None,
) -> Hook:
    """Return what the rows of similar sections have in common; the section is still missing."""
    return Hook(
        section="",
        prog_type=prog_type,
        mechanism=mechanism,
        effect=effect,
        context_effect=context_effect,
        type_prefix=type_prefix,
    )


def _row(
    family: Hook,
    section: str,
    attach_type: AttachType = NO_ATTACH_TYPE,
    flags: ProgFlag = _NO_FLAGS,
    *,
    optional: bool = False,
    unchecked: bool = False,
    returns: bool = False,
) -> Hook:
    return Hook(
        section=section,
        prog_type=family.prog_type,
        attach_type=attach_type,
        mechanism=family.mechanism,
        effect=family.effect,
        flags=flags,
        optional=optional,
        unchecked=unchecked,
        returns=returns,
        context_effect=family.context_effect,
        type_prefix=family.type_prefix,
    )


# Since v6.18 the process continues with the registers that a uprobe's program writes to its context
# (7384893d970e, "bpf: Allow uprobe program to change context registers").
_REGISTERS: Final = "registers of processes"

_SOCKET_FILTER = _family(ProgType.SOCKET_FILTER, Mechanism.SOCKET_FILTER)
_REUSEPORT = _family(ProgType.SK_REUSEPORT, Mechanism.REUSEPORT, "sockets")
_KPROBE = _family(ProgType.KPROBE, Mechanism.KPROBE)
_KPROBE_MULTI = _family(ProgType.KPROBE, Mechanism.KPROBE_MULTI)
_KSYSCALL = _family(ProgType.KPROBE, Mechanism.KSYSCALL)
_UPROBE = _family(ProgType.KPROBE, Mechanism.UPROBE, context_effect=_REGISTERS)
_UPROBE_MULTI = _family(ProgType.KPROBE, Mechanism.UPROBE_MULTI, context_effect=_REGISTERS)
_USDT = _family(ProgType.KPROBE, Mechanism.USDT, context_effect=_REGISTERS)
_TC = _family(ProgType.SCHED_CLS, Mechanism.TC, "packets")
_NETKIT = _family(ProgType.SCHED_CLS, Mechanism.NETKIT, "packets")
_ACTION = _family(ProgType.SCHED_ACT, Mechanism.NOT_ATTACHABLE, "packets")
_TRACEPOINT = _family(ProgType.TRACEPOINT, Mechanism.TRACEPOINT)
_RAW_TP = _family(ProgType.RAW_TRACEPOINT, Mechanism.RAW_TRACEPOINT)
_RAW_TP_W = _family(
    ProgType.RAW_TRACEPOINT_WRITABLE, Mechanism.RAW_TRACEPOINT, "what tracepoints pass on"
)
_TP_BTF = _family(ProgType.TRACING, Mechanism.RAW_TRACEPOINT, type_prefix=TRACE)
_TRAMPOLINE = _family(ProgType.TRACING, Mechanism.TRAMPOLINE, type_prefix="")
_TRAMPOLINE_MULTI = _family(ProgType.TRACING, Mechanism.TRAMPOLINE_MULTI)
_MODIFY_RETURN = _family(
    ProgType.TRACING, Mechanism.TRAMPOLINE, "return values of kernel functions", type_prefix=""
)
_FREPLACE = _family(ProgType.EXT, Mechanism.TRAMPOLINE, "another program", type_prefix="")
_LSM = _family(ProgType.LSM, Mechanism.TRAMPOLINE, "permissions", type_prefix="bpf_lsm_")
_LSM_CGROUP = _family(ProgType.LSM, Mechanism.CGROUP, "permissions", type_prefix="bpf_lsm_")
_ITERATOR = _family(ProgType.TRACING, Mechanism.ITERATOR, type_prefix="bpf_iter_")
_SYSCALL = _family(ProgType.SYSCALL, Mechanism.NOT_ATTACHABLE)
_XDP = _family(ProgType.XDP, Mechanism.XDP, "packets")
_XDP_IN_MAP = _family(ProgType.XDP, Mechanism.NOT_ATTACHABLE, "packets")
_PERF_EVENT = _family(ProgType.PERF_EVENT, Mechanism.PERF_EVENT)
_LWT_IN = _family(ProgType.LWT_IN, Mechanism.NOT_ATTACHABLE, "packets")
_LWT_OUT = _family(ProgType.LWT_OUT, Mechanism.NOT_ATTACHABLE, "packets")
_LWT_XMIT = _family(ProgType.LWT_XMIT, Mechanism.NOT_ATTACHABLE, "packets")
_LWT_SEG6LOCAL = _family(ProgType.LWT_SEG6LOCAL, Mechanism.NOT_ATTACHABLE, "packets")
_SOCK_OPS = _family(ProgType.SOCK_OPS, Mechanism.CGROUP, "sockets")
_SK_SKB = _family(ProgType.SK_SKB, Mechanism.SOCKMAP, "sockets")
_SK_MSG = _family(ProgType.SK_MSG, Mechanism.SOCKMAP, "sockets")
_LIRC = _family(ProgType.LIRC_MODE2, Mechanism.NOT_ATTACHABLE)
_FLOW_DISSECTOR = _family(ProgType.FLOW_DISSECTOR, Mechanism.FLOW_DISSECTOR, "packets")
_CGROUP_SKB = _family(ProgType.CGROUP_SKB, Mechanism.CGROUP, "packets")
_CGROUP_SKB_BOTH = _family(ProgType.CGROUP_SKB, Mechanism.CGROUP_SKB, "packets")
_CGROUP_SOCK = _family(ProgType.CGROUP_SOCK, Mechanism.CGROUP, "sockets")
_CGROUP_ADDR = _family(ProgType.CGROUP_SOCK_ADDR, Mechanism.CGROUP, "sockets")
_CGROUP_SYSCTL = _family(ProgType.CGROUP_SYSCTL, Mechanism.CGROUP, "sysctl values")
_CGROUP_SOCKOPT = _family(ProgType.CGROUP_SOCKOPT, Mechanism.CGROUP, "sockets")
_CGROUP_DEVICE = _family(ProgType.CGROUP_DEVICE, Mechanism.CGROUP, "permissions")
_STRUCT_OPS = _family(ProgType.STRUCT_OPS, None, "kernel operations")
_SK_LOOKUP = _family(ProgType.SK_LOOKUP, Mechanism.NAMESPACE, "sockets")
_NETFILTER = _family(ProgType.NETFILTER, Mechanism.NETFILTER, "packets")

TABLE: Final[tuple[Hook, ...]] = (
    _row(_SOCKET_FILTER, "socket"),
    _row(_REUSEPORT, "sk_reuseport/migrate", AttachType.SK_REUSEPORT_SELECT_OR_MIGRATE),
    _row(_REUSEPORT, "sk_reuseport", AttachType.SK_REUSEPORT_SELECT, unchecked=True),
    _row(_KPROBE, "kprobe+"),
    _row(_UPROBE, "uprobe+"),
    _row(_UPROBE, "uprobe.s+", flags=_SLEEPABLE),
    _row(_KPROBE, "kretprobe+", returns=True),
    _row(_UPROBE, "uretprobe+", returns=True),
    _row(_UPROBE, "uretprobe.s+", flags=_SLEEPABLE, returns=True),
    _row(_KPROBE_MULTI, "kprobe.multi+", AttachType.TRACE_KPROBE_MULTI),
    _row(_KPROBE_MULTI, "kretprobe.multi+", AttachType.TRACE_KPROBE_MULTI, returns=True),
    _row(_KPROBE_MULTI, "kprobe.session+", AttachType.TRACE_KPROBE_SESSION),
    _row(_UPROBE_MULTI, "uprobe.multi+", AttachType.TRACE_UPROBE_MULTI),
    _row(_UPROBE_MULTI, "uretprobe.multi+", AttachType.TRACE_UPROBE_MULTI, returns=True),
    _row(_UPROBE_MULTI, "uprobe.session+", AttachType.TRACE_UPROBE_SESSION),
    _row(_UPROBE_MULTI, "uprobe.multi.s+", AttachType.TRACE_UPROBE_MULTI, _SLEEPABLE),
    _row(
        _UPROBE_MULTI, "uretprobe.multi.s+", AttachType.TRACE_UPROBE_MULTI, _SLEEPABLE, returns=True
    ),
    _row(_UPROBE_MULTI, "uprobe.session.s+", AttachType.TRACE_UPROBE_SESSION, _SLEEPABLE),
    _row(_KSYSCALL, "ksyscall+"),
    _row(_KSYSCALL, "kretsyscall+", returns=True),
    _row(_USDT, "usdt+"),
    _row(_USDT, "usdt.s+", flags=_SLEEPABLE),
    _row(_TC, "tc/ingress", AttachType.TCX_INGRESS, unchecked=True),
    _row(_TC, "tc/egress", AttachType.TCX_EGRESS, unchecked=True),
    _row(_TC, "tcx/ingress", AttachType.TCX_INGRESS, unchecked=True),
    _row(_TC, "tcx/egress", AttachType.TCX_EGRESS, unchecked=True),
    _row(_TC, "tc", unchecked=True),
    _row(_TC, "classifier", unchecked=True),
    _row(_ACTION, "action"),
    _row(_NETKIT, "netkit/primary", AttachType.NETKIT_PRIMARY),
    _row(_NETKIT, "netkit/peer", AttachType.NETKIT_PEER),
    _row(_TRACEPOINT, "tracepoint+"),
    _row(_TRACEPOINT, "tp+"),
    _row(_TRACEPOINT, "tracepoint.s+", flags=_SLEEPABLE),
    _row(_TRACEPOINT, "tp.s+", flags=_SLEEPABLE),
    _row(_RAW_TP, "raw_tracepoint+"),
    _row(_RAW_TP, "raw_tp+"),
    _row(_RAW_TP, "raw_tracepoint.s+", flags=_SLEEPABLE),
    _row(_RAW_TP, "raw_tp.s+", flags=_SLEEPABLE),
    _row(_RAW_TP_W, "raw_tracepoint.w+"),
    _row(_RAW_TP_W, "raw_tp.w+"),
    _row(_TP_BTF, "tp_btf+", AttachType.TRACE_RAW_TP),
    _row(_TP_BTF, "tp_btf.s+", AttachType.TRACE_RAW_TP, _SLEEPABLE),
    _row(_TRAMPOLINE, "fentry+", AttachType.TRACE_FENTRY),
    _row(_MODIFY_RETURN, "fmod_ret+", AttachType.MODIFY_RETURN),
    _row(_TRAMPOLINE, "fexit+", AttachType.TRACE_FEXIT),
    _row(_TRAMPOLINE, "fentry.s+", AttachType.TRACE_FENTRY, _SLEEPABLE),
    _row(_MODIFY_RETURN, "fmod_ret.s+", AttachType.MODIFY_RETURN, _SLEEPABLE),
    _row(_TRAMPOLINE, "fexit.s+", AttachType.TRACE_FEXIT, _SLEEPABLE),
    _row(_TRAMPOLINE, "fsession+", AttachType.TRACE_FSESSION),
    _row(_TRAMPOLINE, "fsession.s+", AttachType.TRACE_FSESSION, _SLEEPABLE),
    _row(_TRAMPOLINE_MULTI, "fsession.multi+", AttachType.TRACE_FSESSION_MULTI),
    _row(_TRAMPOLINE_MULTI, "fsession.multi.s+", AttachType.TRACE_FSESSION_MULTI, _SLEEPABLE),
    _row(_TRAMPOLINE_MULTI, "fentry.multi+", AttachType.TRACE_FENTRY_MULTI),
    _row(_TRAMPOLINE_MULTI, "fexit.multi+", AttachType.TRACE_FEXIT_MULTI),
    _row(_TRAMPOLINE_MULTI, "fentry.multi.s+", AttachType.TRACE_FENTRY_MULTI, _SLEEPABLE),
    _row(_TRAMPOLINE_MULTI, "fexit.multi.s+", AttachType.TRACE_FEXIT_MULTI, _SLEEPABLE),
    _row(_FREPLACE, "freplace+"),
    _row(_LSM, "lsm+", AttachType.LSM_MAC),
    _row(_LSM, "lsm.s+", AttachType.LSM_MAC, _SLEEPABLE),
    _row(_LSM_CGROUP, "lsm_cgroup+", AttachType.LSM_CGROUP),
    _row(_ITERATOR, "iter+", AttachType.TRACE_ITER),
    _row(_ITERATOR, "iter.s+", AttachType.TRACE_ITER, _SLEEPABLE),
    _row(_SYSCALL, "syscall", flags=_SLEEPABLE),
    _row(_XDP_IN_MAP, "xdp.frags/devmap", AttachType.XDP_DEVMAP, _FRAGS),
    _row(_XDP_IN_MAP, "xdp/devmap", AttachType.XDP_DEVMAP),
    _row(_XDP_IN_MAP, "xdp.frags/cpumap", AttachType.XDP_CPUMAP, _FRAGS),
    _row(_XDP_IN_MAP, "xdp/cpumap", AttachType.XDP_CPUMAP),
    _row(_XDP, "xdp.frags", AttachType.XDP, _FRAGS),
    _row(_XDP, "xdp", AttachType.XDP, optional=True),
    _row(_PERF_EVENT, "perf_event"),
    _row(_LWT_IN, "lwt_in"),
    _row(_LWT_OUT, "lwt_out"),
    _row(_LWT_XMIT, "lwt_xmit"),
    _row(_LWT_SEG6LOCAL, "lwt_seg6local"),
    _row(_SOCK_OPS, "sockops", AttachType.CGROUP_SOCK_OPS, optional=True),
    _row(_SK_SKB, "sk_skb/stream_parser", AttachType.SK_SKB_STREAM_PARSER, optional=True),
    _row(_SK_SKB, "sk_skb/stream_verdict", AttachType.SK_SKB_STREAM_VERDICT, optional=True),
    _row(_SK_SKB, "sk_skb/verdict", AttachType.SK_SKB_VERDICT, optional=True),
    _row(_SK_SKB, "sk_skb"),
    _row(_SK_MSG, "sk_msg", AttachType.SK_MSG_VERDICT, optional=True),
    _row(_LIRC, "lirc_mode2", AttachType.LIRC_MODE2, optional=True),
    _row(_FLOW_DISSECTOR, "flow_dissector", AttachType.FLOW_DISSECTOR, optional=True),
    _row(_CGROUP_SKB, "cgroup_skb/ingress", optional=True),
    _row(_CGROUP_SKB, "cgroup_skb/egress", AttachType.CGROUP_INET_EGRESS, optional=True),
    _row(_CGROUP_SKB_BOTH, "cgroup/skb"),
    _row(_CGROUP_SOCK, "cgroup/sock_create", AttachType.CGROUP_INET_SOCK_CREATE),
    _row(_CGROUP_SOCK, "cgroup/sock_release", AttachType.CGROUP_INET_SOCK_RELEASE),
    _row(_CGROUP_SOCK, "cgroup/sock", AttachType.CGROUP_INET_SOCK_CREATE, optional=True),
    _row(_CGROUP_SOCK, "cgroup/post_bind4", AttachType.CGROUP_INET4_POST_BIND),
    _row(_CGROUP_SOCK, "cgroup/post_bind6", AttachType.CGROUP_INET6_POST_BIND),
    _row(_CGROUP_ADDR, "cgroup/bind4", AttachType.CGROUP_INET4_BIND),
    _row(_CGROUP_ADDR, "cgroup/bind6", AttachType.CGROUP_INET6_BIND),
    _row(_CGROUP_ADDR, "cgroup/connect4", AttachType.CGROUP_INET4_CONNECT),
    _row(_CGROUP_ADDR, "cgroup/connect6", AttachType.CGROUP_INET6_CONNECT),
    _row(_CGROUP_ADDR, "cgroup/connect_unix", AttachType.CGROUP_UNIX_CONNECT),
    _row(_CGROUP_ADDR, "cgroup/sendmsg4", AttachType.CGROUP_UDP4_SENDMSG),
    _row(_CGROUP_ADDR, "cgroup/sendmsg6", AttachType.CGROUP_UDP6_SENDMSG),
    _row(_CGROUP_ADDR, "cgroup/sendmsg_unix", AttachType.CGROUP_UNIX_SENDMSG),
    _row(_CGROUP_ADDR, "cgroup/recvmsg4", AttachType.CGROUP_UDP4_RECVMSG),
    _row(_CGROUP_ADDR, "cgroup/recvmsg6", AttachType.CGROUP_UDP6_RECVMSG),
    _row(_CGROUP_ADDR, "cgroup/recvmsg_unix", AttachType.CGROUP_UNIX_RECVMSG),
    _row(_CGROUP_ADDR, "cgroup/getpeername4", AttachType.CGROUP_INET4_GETPEERNAME),
    _row(_CGROUP_ADDR, "cgroup/getpeername6", AttachType.CGROUP_INET6_GETPEERNAME),
    _row(_CGROUP_ADDR, "cgroup/getpeername_unix", AttachType.CGROUP_UNIX_GETPEERNAME),
    _row(_CGROUP_ADDR, "cgroup/getsockname4", AttachType.CGROUP_INET4_GETSOCKNAME),
    _row(_CGROUP_ADDR, "cgroup/getsockname6", AttachType.CGROUP_INET6_GETSOCKNAME),
    _row(_CGROUP_ADDR, "cgroup/getsockname_unix", AttachType.CGROUP_UNIX_GETSOCKNAME),
    _row(_CGROUP_SYSCTL, "cgroup/sysctl", AttachType.CGROUP_SYSCTL),
    _row(_CGROUP_SOCKOPT, "cgroup/getsockopt", AttachType.CGROUP_GETSOCKOPT),
    _row(_CGROUP_SOCKOPT, "cgroup/setsockopt", AttachType.CGROUP_SETSOCKOPT),
    _row(_CGROUP_DEVICE, "cgroup/dev", AttachType.CGROUP_DEVICE, optional=True),
    _row(_STRUCT_OPS, "struct_ops+"),
    _row(_STRUCT_OPS, "struct_ops.s+", flags=_SLEEPABLE),
    _row(_SK_LOOKUP, "sk_lookup", AttachType.SK_LOOKUP),
    _row(_NETFILTER, "netfilter", AttachType.NETFILTER),
)


NAMED_TARGETS: Final = ("xdp", "perf_event")
"""Rows without a "+" whose target ebpf_exporter reads: xdp/lo, perf_event/type=0,config=3."""
_SEPARATORS: Final = frozenset("/_-0123456789")


def find(section: str) -> Hook | None:
    """Return the row of a SEC() text, None if unknown; a leading "?" (autoload off) is ignored.

    Sections that libbpf does not know have the row that other loaders take them for.
    """
    return exact(section) or lenient(section)


def exact(section: str) -> Hook | None:
    """Return the row that libbpf has for a SEC() text, None if it has none."""
    name = section.removeprefix("?")
    for hook in TABLE:
        prefix, plus, _ = hook.section.partition("+")
        if name == prefix or (plus and name.startswith(f"{prefix}/")):
            return hook
    return None


def lenient(section: str) -> Hook | None:
    """Return the row without a "+" that a SEC() text begins with, None if there is none.

    cilium/ebpf (Inspektor Gadget, bpfman) and libbpf until 0.8 take such a row for a prefix, and
    ignore what follows: ``socket1``, ``classifier/stats``. aya does so if a slash follows. Here a
    digit, a slash, "_" or "-" must follow: ``tcpconnect`` is not ``tc``. The first row counts.
    """
    name = section.removeprefix("?")
    for hook in TABLE:
        rest = name.removeprefix(hook.section)
        if rest != name and rest[:1] in _SEPARATORS and hook.section[-1] != "+":
            return hook
    return None


def target(hook: Hook, section: str) -> str:
    """Return the target of a section: the text after its prefix and the slash, "" if missing."""
    if hook.section[-1] == "+":
        return section.partition("/")[2]
    rest = section.removeprefix("?").removeprefix(hook.section)
    return rest[1:] if hook.section in NAMED_TARGETS and rest[:1] == "/" else ""


def returns(section: str) -> bool:
    """Tell whether a program of ``section`` runs when functions return."""
    hook = find(section)
    return hook is not None and hook.returns


def is_pattern(name: str) -> bool:
    """Tell whether ``name`` is a pattern, with ``*`` or ``?``, for the names of many functions."""
    return "*" in name or "?" in name
