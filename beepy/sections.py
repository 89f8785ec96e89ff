"""TABLE: what each ``SEC()`` prefix means. A row is all that is known of one; it is pure data.

The rows are libbpf's ``section_defs`` (v1.8), in its spelling and order. A trailing "+" means that the section is the
prefix alone or is followed by /TARGET; without it the section is the whole text.
"""

from enum import Enum
from typing import Final, Literal, NamedTuple, get_args

from beepy.btf.types import Kind
from beepy.text import safe, similar
from beepy.uapi import NO_ATTACH_TYPE, AttachType, ProgFlag, ProgType

TRACE: Final = "btf_trace_"
"""How the typedef of each tracepoint in the kernel's types begins."""

Option = Literal["cgroup", "pid", "netns", "iface", "binary"]
"""An option of ``run`` that says where to attach, as a field of ``hooks.Target``."""

OPTIONS: Final[tuple[Option, ...]] = get_args(Option)


class Mechanism(Enum):
    """How a program is attached: by the module of ``hooks`` that the value names, which takes these ``options``."""

    CGROUP = "cgroup", ("cgroup",)
    CGROUP_SKB = "cgroup_skb", ("cgroup",)
    ELSEWHERE = "elsewhere"
    FLOW_DISSECTOR = "flow_dissector", ("netns",)
    ITERATOR = "iterator", ("pid",)
    KPROBE = "kprobe"
    KPROBE_MULTI = "kprobe_multi"
    KSYSCALL = "ksyscall"
    NAMESPACE = "namespace", ("netns",)
    NETFILTER = "netfilter", ("netns",)
    NETKIT = "netkit", ("iface", "netns")
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
        """Whether it opens perf events of uprobes; links of uprobe_multi are no perf events.

        For these CAP_PERFMON is enough, perf events take CAP_SYS_ADMIN ("perf: Revert to requiring CAP_SYS_ADMIN for
        uprobes", v6.16, and stable kernels since).
        """
        return self in (Mechanism.UPROBE, Mechanism.USDT)

    def reads_tracefs(self, name: str) -> bool:
        """Tell whether attaching to ``name`` reads a tracepoint's number, or the functions that match a pattern."""
        if self in (Mechanism.KPROBE_MULTI, Mechanism.TRAMPOLINE_MULTI):
            return is_pattern(name)
        return self is Mechanism.TRACEPOINT


class Hook(NamedTuple):
    """What one ``SEC()`` prefix means; see libbpf's ``section_defs``.

    ``prog_type``, ``attach_type`` and ``flags`` go into BPF_PROG_LOAD. A kernel that refuses the attach type may load
    the program without it where that is ``optional`` (SEC_EXP_ATTACH_OPT), and an older kernel does not look at one
    that is ``unchecked``. ``mechanism`` None: a map attaches the program (struct_ops). ``returns``: the program runs
    where functions return. ``effect`` is what a program decides by what it returns or by writing to its context;
    ``context_effect`` what it changes if it writes to its context.
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
    type_prefix: str | None = None  # of the kernel type to attach to; None: it attaches to no type

    @property
    def options(self) -> tuple[Option, ...]:
        """The options of ``run`` that say where to attach such a program."""
        return self.mechanism.options if self.mechanism else ()

    @property
    def needs_attach_type(self) -> bool:
        """Whether only a kernel that knows the attach type can load such a program."""
        return self.attach_type != NO_ATTACH_TYPE and not (self.optional or self.unchecked)

    def kernel_type(self, target: str) -> tuple[str, str, Kind] | None:
        """Return module, name and kind of the kernel's type to attach to (``attach_btf_id``), None if there is none.

        The name is the prefix and the target's: ``tp_btf/sched_switch`` is the typedef btf_trace_sched_switch,
        ``lsm/file_open`` the function bpf_lsm_file_open. ``MODULE:NAME`` is a module's, "vmlinux" the kernel itself;
        the module is "" where the target names none. What follows a slash (``iter/bpf_map_elem/MAP``) is not part of
        the name. A program of type EXT (freplace) attaches to a function of another program instead.
        """
        if self.type_prefix is None or self.prog_type == ProgType.EXT:
            return None
        module, _, name = target.rpartition(":")
        kind = Kind.TYPEDEF if self.type_prefix == TRACE else Kind.FUNC
        return module, self.type_prefix + name.partition("/")[0], kind


_SLEEPABLE: Final = ProgFlag.SLEEPABLE
_FRAGS: Final = ProgFlag.XDP_HAS_FRAGS
_NO_FLAGS: Final = ProgFlag(0)


def _kprobe(
    section: str, mechanism: Mechanism, attach_type: AttachType = NO_ATTACH_TYPE, *, returns: bool = False
) -> Hook:
    return Hook(section, ProgType.KPROBE, attach_type, mechanism, returns=returns)


def _uprobe(
    section: str,
    mechanism: Mechanism,
    attach_type: AttachType = NO_ATTACH_TYPE,
    *,
    flags: ProgFlag = _NO_FLAGS,
    returns: bool = False,
) -> Hook:
    # since v6.18 what such a program writes to its context is what the process goes on with
    # (7384893d970e, "bpf: Allow uprobe program to change context registers")
    changed = "registers of processes"
    return Hook(section, ProgType.KPROBE, attach_type, mechanism, flags=flags, returns=returns, context_effect=changed)


def _tc(section: str, attach_type: AttachType = NO_ATTACH_TYPE, mechanism: Mechanism = Mechanism.TC) -> Hook:
    return Hook(section, ProgType.SCHED_CLS, attach_type, mechanism, "packets", unchecked=mechanism is Mechanism.TC)


def _tracepoint(section: str, flags: ProgFlag = _NO_FLAGS) -> Hook:
    return Hook(section, ProgType.TRACEPOINT, mechanism=Mechanism.TRACEPOINT, flags=flags)


def _raw_tracepoint(section: str, flags: ProgFlag = _NO_FLAGS) -> Hook:
    return Hook(section, ProgType.RAW_TRACEPOINT, mechanism=Mechanism.RAW_TRACEPOINT, flags=flags)


def _writable_tracepoint(section: str) -> Hook:
    effect = "what tracepoints pass on"
    return Hook(section, ProgType.RAW_TRACEPOINT_WRITABLE, mechanism=Mechanism.RAW_TRACEPOINT, effect=effect)


def _typed(
    section: str, mechanism: Mechanism, attach_type: AttachType, prefix: str, flags: ProgFlag = _NO_FLAGS
) -> Hook:
    return Hook(section, ProgType.TRACING, attach_type, mechanism, flags=flags, type_prefix=prefix)


def _function(section: str, attach_type: AttachType, flags: ProgFlag = _NO_FLAGS, effect: str = "") -> Hook:
    return Hook(section, ProgType.TRACING, attach_type, Mechanism.TRAMPOLINE, effect, flags, type_prefix="")


def _functions(section: str, attach_type: AttachType, flags: ProgFlag = _NO_FLAGS) -> Hook:
    return Hook(section, ProgType.TRACING, attach_type, Mechanism.TRAMPOLINE_MULTI, flags=flags)


def _lsm(section: str, attach_type: AttachType, mechanism: Mechanism, flags: ProgFlag = _NO_FLAGS) -> Hook:
    return Hook(section, ProgType.LSM, attach_type, mechanism, "permissions", flags, type_prefix="bpf_lsm_")


def _xdp(
    section: str,
    attach_type: AttachType = AttachType.XDP,
    mechanism: Mechanism = Mechanism.XDP,
    *,
    flags: ProgFlag = _NO_FLAGS,
    optional: bool = False,
) -> Hook:
    return Hook(section, ProgType.XDP, attach_type, mechanism, "packets", flags, optional)


def _lwt(section: str, prog_type: ProgType) -> Hook:
    return Hook(section, prog_type, mechanism=Mechanism.ELSEWHERE, effect="packets")


def _sockmap(section: str, prog_type: ProgType, attach_type: AttachType) -> Hook:
    return Hook(section, prog_type, attach_type, Mechanism.SOCKMAP, "sockets", optional=True)


def _cgroup(section: str, prog_type: ProgType, attach_type: AttachType, effect: str, *, optional: bool = False) -> Hook:
    return Hook(section, prog_type, attach_type, Mechanism.CGROUP, effect, optional=optional)


def _reuseport(section: str, attach_type: AttachType, *, unchecked: bool = False) -> Hook:
    return Hook(section, ProgType.SK_REUSEPORT, attach_type, Mechanism.REUSEPORT, "sockets", unchecked=unchecked)


def _socket(section: str, attach_type: AttachType, *, optional: bool = False) -> Hook:
    return _cgroup(section, ProgType.CGROUP_SOCK, attach_type, "sockets", optional=optional)


def _address(section: str, attach_type: AttachType) -> Hook:
    return _cgroup(section, ProgType.CGROUP_SOCK_ADDR, attach_type, "sockets")


TABLE: Final[tuple[Hook, ...]] = (
    Hook("socket", ProgType.SOCKET_FILTER, mechanism=Mechanism.SOCKET_FILTER),
    _reuseport("sk_reuseport/migrate", AttachType.SK_REUSEPORT_SELECT_OR_MIGRATE),
    _reuseport("sk_reuseport", AttachType.SK_REUSEPORT_SELECT, unchecked=True),
    _kprobe("kprobe+", Mechanism.KPROBE),
    _uprobe("uprobe+", Mechanism.UPROBE),
    _uprobe("uprobe.s+", Mechanism.UPROBE, flags=_SLEEPABLE),
    _kprobe("kretprobe+", Mechanism.KPROBE, returns=True),
    _uprobe("uretprobe+", Mechanism.UPROBE, returns=True),
    _uprobe("uretprobe.s+", Mechanism.UPROBE, flags=_SLEEPABLE, returns=True),
    _kprobe("kprobe.multi+", Mechanism.KPROBE_MULTI, AttachType.TRACE_KPROBE_MULTI),
    _kprobe("kretprobe.multi+", Mechanism.KPROBE_MULTI, AttachType.TRACE_KPROBE_MULTI, returns=True),
    _kprobe("kprobe.session+", Mechanism.KPROBE_MULTI, AttachType.TRACE_KPROBE_SESSION),
    _uprobe("uprobe.multi+", Mechanism.UPROBE_MULTI, AttachType.TRACE_UPROBE_MULTI),
    _uprobe("uretprobe.multi+", Mechanism.UPROBE_MULTI, AttachType.TRACE_UPROBE_MULTI, returns=True),
    _uprobe("uprobe.session+", Mechanism.UPROBE_MULTI, AttachType.TRACE_UPROBE_SESSION),
    _uprobe("uprobe.multi.s+", Mechanism.UPROBE_MULTI, AttachType.TRACE_UPROBE_MULTI, flags=_SLEEPABLE),
    _uprobe(
        "uretprobe.multi.s+", Mechanism.UPROBE_MULTI, AttachType.TRACE_UPROBE_MULTI, flags=_SLEEPABLE, returns=True
    ),
    _uprobe("uprobe.session.s+", Mechanism.UPROBE_MULTI, AttachType.TRACE_UPROBE_SESSION, flags=_SLEEPABLE),
    _kprobe("ksyscall+", Mechanism.KSYSCALL),
    _kprobe("kretsyscall+", Mechanism.KSYSCALL, returns=True),
    _uprobe("usdt+", Mechanism.USDT),
    _uprobe("usdt.s+", Mechanism.USDT, flags=_SLEEPABLE),
    _tc("tc/ingress", AttachType.TCX_INGRESS),
    _tc("tc/egress", AttachType.TCX_EGRESS),
    _tc("tcx/ingress", AttachType.TCX_INGRESS),
    _tc("tcx/egress", AttachType.TCX_EGRESS),
    _tc("tc"),
    _tc("classifier"),
    Hook("action", ProgType.SCHED_ACT, mechanism=Mechanism.ELSEWHERE, effect="packets"),
    _tc("netkit/primary", AttachType.NETKIT_PRIMARY, Mechanism.NETKIT),
    _tc("netkit/peer", AttachType.NETKIT_PEER, Mechanism.NETKIT),
    _tracepoint("tracepoint+"),
    _tracepoint("tp+"),
    _tracepoint("tracepoint.s+", _SLEEPABLE),
    _tracepoint("tp.s+", _SLEEPABLE),
    _raw_tracepoint("raw_tracepoint+"),
    _raw_tracepoint("raw_tp+"),
    _raw_tracepoint("raw_tracepoint.s+", _SLEEPABLE),
    _raw_tracepoint("raw_tp.s+", _SLEEPABLE),
    _writable_tracepoint("raw_tracepoint.w+"),
    _writable_tracepoint("raw_tp.w+"),
    _typed("tp_btf+", Mechanism.RAW_TRACEPOINT, AttachType.TRACE_RAW_TP, TRACE),
    _typed("tp_btf.s+", Mechanism.RAW_TRACEPOINT, AttachType.TRACE_RAW_TP, TRACE, _SLEEPABLE),
    _function("fentry+", AttachType.TRACE_FENTRY),
    _function("fmod_ret+", AttachType.MODIFY_RETURN, effect="return values of kernel functions"),
    _function("fexit+", AttachType.TRACE_FEXIT),
    _function("fentry.s+", AttachType.TRACE_FENTRY, _SLEEPABLE),
    _function("fmod_ret.s+", AttachType.MODIFY_RETURN, _SLEEPABLE, "return values of kernel functions"),
    _function("fexit.s+", AttachType.TRACE_FEXIT, _SLEEPABLE),
    _function("fsession+", AttachType.TRACE_FSESSION),
    _function("fsession.s+", AttachType.TRACE_FSESSION, _SLEEPABLE),
    _functions("fsession.multi+", AttachType.TRACE_FSESSION_MULTI),
    _functions("fsession.multi.s+", AttachType.TRACE_FSESSION_MULTI, _SLEEPABLE),
    _functions("fentry.multi+", AttachType.TRACE_FENTRY_MULTI),
    _functions("fexit.multi+", AttachType.TRACE_FEXIT_MULTI),
    _functions("fentry.multi.s+", AttachType.TRACE_FENTRY_MULTI, _SLEEPABLE),
    _functions("fexit.multi.s+", AttachType.TRACE_FEXIT_MULTI, _SLEEPABLE),
    Hook("freplace+", ProgType.EXT, mechanism=Mechanism.TRAMPOLINE, effect="another program", type_prefix=""),
    _lsm("lsm+", AttachType.LSM_MAC, Mechanism.TRAMPOLINE),
    _lsm("lsm.s+", AttachType.LSM_MAC, Mechanism.TRAMPOLINE, _SLEEPABLE),
    _lsm("lsm_cgroup+", AttachType.LSM_CGROUP, Mechanism.CGROUP),
    _typed("iter+", Mechanism.ITERATOR, AttachType.TRACE_ITER, "bpf_iter_"),
    _typed("iter.s+", Mechanism.ITERATOR, AttachType.TRACE_ITER, "bpf_iter_", _SLEEPABLE),
    Hook("syscall", ProgType.SYSCALL, mechanism=Mechanism.ELSEWHERE, flags=_SLEEPABLE),
    _xdp("xdp.frags/devmap", AttachType.XDP_DEVMAP, Mechanism.ELSEWHERE, flags=_FRAGS),
    _xdp("xdp/devmap", AttachType.XDP_DEVMAP, Mechanism.ELSEWHERE),
    _xdp("xdp.frags/cpumap", AttachType.XDP_CPUMAP, Mechanism.ELSEWHERE, flags=_FRAGS),
    _xdp("xdp/cpumap", AttachType.XDP_CPUMAP, Mechanism.ELSEWHERE),
    _xdp("xdp.frags", flags=_FRAGS),
    _xdp("xdp", optional=True),
    Hook("perf_event", ProgType.PERF_EVENT, mechanism=Mechanism.PERF_EVENT),
    _lwt("lwt_in", ProgType.LWT_IN),
    _lwt("lwt_out", ProgType.LWT_OUT),
    _lwt("lwt_xmit", ProgType.LWT_XMIT),
    _lwt("lwt_seg6local", ProgType.LWT_SEG6LOCAL),
    _cgroup("sockops", ProgType.SOCK_OPS, AttachType.CGROUP_SOCK_OPS, "sockets", optional=True),
    _sockmap("sk_skb/stream_parser", ProgType.SK_SKB, AttachType.SK_SKB_STREAM_PARSER),
    _sockmap("sk_skb/stream_verdict", ProgType.SK_SKB, AttachType.SK_SKB_STREAM_VERDICT),
    _sockmap("sk_skb/verdict", ProgType.SK_SKB, AttachType.SK_SKB_VERDICT),
    Hook("sk_skb", ProgType.SK_SKB, mechanism=Mechanism.SOCKMAP, effect="sockets"),
    _sockmap("sk_msg", ProgType.SK_MSG, AttachType.SK_MSG_VERDICT),
    Hook("lirc_mode2", ProgType.LIRC_MODE2, AttachType.LIRC_MODE2, Mechanism.ELSEWHERE, optional=True),
    Hook(
        "flow_dissector",
        ProgType.FLOW_DISSECTOR,
        AttachType.FLOW_DISSECTOR,
        Mechanism.FLOW_DISSECTOR,
        "packets",
        optional=True,
    ),
    _cgroup("cgroup_skb/ingress", ProgType.CGROUP_SKB, AttachType.CGROUP_INET_INGRESS, "packets", optional=True),
    _cgroup("cgroup_skb/egress", ProgType.CGROUP_SKB, AttachType.CGROUP_INET_EGRESS, "packets", optional=True),
    Hook("cgroup/skb", ProgType.CGROUP_SKB, mechanism=Mechanism.CGROUP_SKB, effect="packets"),
    _socket("cgroup/sock_create", AttachType.CGROUP_INET_SOCK_CREATE),
    _socket("cgroup/sock_release", AttachType.CGROUP_INET_SOCK_RELEASE),
    _socket("cgroup/sock", AttachType.CGROUP_INET_SOCK_CREATE, optional=True),
    _socket("cgroup/post_bind4", AttachType.CGROUP_INET4_POST_BIND),
    _socket("cgroup/post_bind6", AttachType.CGROUP_INET6_POST_BIND),
    _address("cgroup/bind4", AttachType.CGROUP_INET4_BIND),
    _address("cgroup/bind6", AttachType.CGROUP_INET6_BIND),
    _address("cgroup/connect4", AttachType.CGROUP_INET4_CONNECT),
    _address("cgroup/connect6", AttachType.CGROUP_INET6_CONNECT),
    _address("cgroup/connect_unix", AttachType.CGROUP_UNIX_CONNECT),
    _address("cgroup/sendmsg4", AttachType.CGROUP_UDP4_SENDMSG),
    _address("cgroup/sendmsg6", AttachType.CGROUP_UDP6_SENDMSG),
    _address("cgroup/sendmsg_unix", AttachType.CGROUP_UNIX_SENDMSG),
    _address("cgroup/recvmsg4", AttachType.CGROUP_UDP4_RECVMSG),
    _address("cgroup/recvmsg6", AttachType.CGROUP_UDP6_RECVMSG),
    _address("cgroup/recvmsg_unix", AttachType.CGROUP_UNIX_RECVMSG),
    _address("cgroup/getpeername4", AttachType.CGROUP_INET4_GETPEERNAME),
    _address("cgroup/getpeername6", AttachType.CGROUP_INET6_GETPEERNAME),
    _address("cgroup/getpeername_unix", AttachType.CGROUP_UNIX_GETPEERNAME),
    _address("cgroup/getsockname4", AttachType.CGROUP_INET4_GETSOCKNAME),
    _address("cgroup/getsockname6", AttachType.CGROUP_INET6_GETSOCKNAME),
    _address("cgroup/getsockname_unix", AttachType.CGROUP_UNIX_GETSOCKNAME),
    _cgroup("cgroup/sysctl", ProgType.CGROUP_SYSCTL, AttachType.CGROUP_SYSCTL, "sysctl values"),
    _cgroup("cgroup/getsockopt", ProgType.CGROUP_SOCKOPT, AttachType.CGROUP_GETSOCKOPT, "sockets"),
    _cgroup("cgroup/setsockopt", ProgType.CGROUP_SOCKOPT, AttachType.CGROUP_SETSOCKOPT, "sockets"),
    _cgroup("cgroup/dev", ProgType.CGROUP_DEVICE, AttachType.CGROUP_DEVICE, "permissions", optional=True),
    Hook("struct_ops+", ProgType.STRUCT_OPS, effect="kernel operations"),
    Hook("struct_ops.s+", ProgType.STRUCT_OPS, effect="kernel operations", flags=_SLEEPABLE),
    Hook("sk_lookup", ProgType.SK_LOOKUP, AttachType.SK_LOOKUP, Mechanism.NAMESPACE, "sockets"),
    Hook("netfilter", ProgType.NETFILTER, AttachType.NETFILTER, Mechanism.NETFILTER, "packets"),
)


def find(section: str) -> Hook | None:
    """Return the row of a SEC() text, None if libbpf has none; a leading "?" (autoload off) is ignored."""
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


def returns(section: str) -> bool:
    """Tell whether a program of ``section`` runs where functions return."""
    hook = find(section)
    return hook is not None and hook.returns


def is_pattern(name: str) -> bool:
    """Tell whether ``name`` has ``*`` or ``?``, and so names many functions."""
    return "*" in name or "?" in name


def unknown(section: str) -> str:
    """Return what is wrong with a SEC() text that ``find`` has no row for."""
    expected = _meant(section.removeprefix("?"))
    note = f', expected SEC("{safe(expected)}")' if expected else ""
    return f"section '{safe(section)}': no program type is known by that name{note}"


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
