"""TABLE: the ways to attach, each with its sections and with the check that shows it."""

from collections.abc import Iterator, Mapping
from typing import Final

from beepy import sections
from tests.vm.checks import TABLE as _CHECKS

TABLE: Final[Mapping[str, tuple[str, ...]]] = {
    "kprobe": ("kprobe+",),
    "kretprobe": ("kretprobe+",),
    "ksyscall": ("ksyscall+", "kretsyscall+"),
    "kprobe.multi": ("kprobe.multi+", "kretprobe.multi+"),
    "kprobe.session": ("kprobe.session+",),
    "uprobe": ("uprobe+", "uprobe.s+"),
    "uretprobe": ("uretprobe+", "uretprobe.s+"),
    "uprobe.multi": ("uprobe.multi+", "uprobe.multi.s+", "uretprobe.multi+", "uretprobe.multi.s+"),
    "uprobe.session": ("uprobe.session+", "uprobe.session.s+"),
    "usdt": ("usdt+", "usdt.s+"),
    "tracepoint": ("tracepoint+", "tracepoint.s+", "tp+", "tp.s+"),
    "raw_tp": ("raw_tracepoint+", "raw_tracepoint.s+", "raw_tp+", "raw_tp.s+"),
    "raw_tp.w": ("raw_tracepoint.w+", "raw_tp.w+"),
    "tp_btf": ("tp_btf+", "tp_btf.s+"),
    "fentry": ("fentry+", "fentry.s+"),
    "fexit": ("fexit+", "fexit.s+"),
    "fmod_ret": ("fmod_ret+", "fmod_ret.s+"),
    "fsession": ("fsession+", "fsession.s+"),
    "fentry.multi": (
        *("fentry.multi+", "fentry.multi.s+", "fexit.multi+", "fexit.multi.s+"),
        *("fsession.multi+", "fsession.multi.s+"),
    ),
    "freplace": ("freplace+",),
    "lsm": ("lsm+", "lsm.s+"),
    "lsm_cgroup": ("lsm_cgroup+",),
    "iter": ("iter+", "iter.s+"),
    "perf_event, software": ("perf_event",),
    "perf_event, hardware": (),
    "xdp": ("xdp",),
    "xdp.frags": ("xdp.frags",),
    "xdp/devmap": ("xdp/devmap", "xdp.frags/devmap"),
    "xdp/cpumap": ("xdp/cpumap", "xdp.frags/cpumap"),
    "tc": ("tc", "classifier"),
    "tcx": ("tc/ingress", "tc/egress", "tcx/ingress", "tcx/egress"),
    "netkit": ("netkit/primary", "netkit/peer"),
    "action": ("action",),
    "cgroup_skb": ("cgroup_skb/ingress", "cgroup_skb/egress", "cgroup/skb"),
    "cgroup_sock": (
        *("cgroup/sock", "cgroup/sock_create", "cgroup/sock_release"),
        *("cgroup/post_bind4", "cgroup/post_bind6"),
    ),
    "cgroup_sock_addr": tuple(
        [
            f"cgroup/{call}{family}"
            for call in ("bind", "connect", "sendmsg", "recvmsg", "getpeername", "getsockname")
            for family in ("4", "6", "_unix")
            if (call, family) != ("bind", "_unix")
        ]
    ),
    "cgroup_sockopt": ("cgroup/getsockopt", "cgroup/setsockopt"),
    "cgroup_sysctl": ("cgroup/sysctl",),
    "cgroup_device": ("cgroup/dev",),
    "sockops": ("sockops",),
    "sk_skb": ("sk_skb", "sk_skb/stream_parser", "sk_skb/stream_verdict", "sk_skb/verdict"),
    "sk_msg": ("sk_msg",),
    "sk_lookup": ("sk_lookup",),
    "sk_reuseport": ("sk_reuseport", "sk_reuseport/migrate"),
    "socket": ("socket",),
    "flow_dissector": ("flow_dissector",),
    "lwt_in": ("lwt_in",),
    "lwt_out": ("lwt_out",),
    "lwt_xmit": ("lwt_xmit",),
    "lwt_seg6local": ("lwt_seg6local",),
    "netfilter": ("netfilter",),
    "struct_ops": ("struct_ops+", "struct_ops.s+"),
    "syscall": ("syscall",),
    "lirc_mode2": ("lirc_mode2",),
}
"""Kind -> sections of ``beepy.sections.TABLE``, each in one kind; perf_event's are one section."""


def uncovered() -> list[str]:
    """Return the sections that are not of exactly one kind."""
    listed = [section for sections_of_kind in TABLE.values() for section in sections_of_kind]
    return [hook.section for hook in sections.TABLE if listed.count(hook.section) != 1]


CHECKS: Final[Mapping[str, tuple[str, ...]]] = {
    check.name: check.kinds for check in _CHECKS if check.kinds
}
"""The checks that show them, by name."""


def shown() -> Iterator[tuple[str, str]]:
    """Yield each kind and the check that shows it."""
    for kind in TABLE:
        yield kind, next(name for name, kinds in CHECKS.items() if kind in kinds)
