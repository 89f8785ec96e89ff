"""The capabilities to load a program, attach it, create a map or call a helper: for messages only.

The names are those since Linux 5.8, which split CAP_SYS_ADMIN ("bpf: Implement CAP_BPF"). Sources:
is_net_admin_prog_type and is_perfmon_prog_type in kernel/bpf/syscall.c.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from beepy import map_types
from beepy.uapi import ProgType

_NET_ADMIN: Final = frozenset(
    {
        ProgType.SCHED_CLS,
        ProgType.SCHED_ACT,
        ProgType.XDP,
        ProgType.LWT_IN,
        ProgType.LWT_OUT,
        ProgType.LWT_XMIT,
        ProgType.LWT_SEG6LOCAL,
        ProgType.SK_SKB,
        ProgType.SK_MSG,
        ProgType.FLOW_DISSECTOR,
        ProgType.CGROUP_DEVICE,
        ProgType.CGROUP_SOCK,
        ProgType.CGROUP_SOCK_ADDR,
        ProgType.CGROUP_SOCKOPT,
        ProgType.CGROUP_SYSCTL,
        ProgType.SOCK_OPS,
        ProgType.EXT,
        ProgType.NETFILTER,
    }
)
_PERFMON: Final = frozenset(
    {
        ProgType.KPROBE,
        ProgType.TRACEPOINT,
        ProgType.PERF_EVENT,
        ProgType.RAW_TRACEPOINT,
        ProgType.RAW_TRACEPOINT_WRITABLE,
        ProgType.TRACING,
        ProgType.LSM,
        ProgType.STRUCT_OPS,
        ProgType.EXT,
    }
)
# needed for attaching only: by BPF_LINK_CREATE, by a packet socket, by BPF_PROG_GET_FD_BY_ID (to
# replace a function of a program, and to detach sk_reuseport)
_TO_ATTACH: Final[Mapping[int, str]] = MappingProxyType(
    {
        ProgType.CGROUP_SKB: "CAP_NET_ADMIN",
        ProgType.SOCKET_FILTER: "CAP_NET_RAW",
        ProgType.EXT: "CAP_SYS_ADMIN",
        ProgType.SK_REUSEPORT: "CAP_SYS_ADMIN",
    }
)
# capability -> the one that includes it
_INCLUDED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "CAP_BPF": "CAP_SYS_ADMIN",
        "CAP_PERFMON": "CAP_SYS_ADMIN",
        "CAP_NET_ADMIN": "CAP_SYS_ADMIN",
        "CAP_DAC_READ_SEARCH": "CAP_DAC_OVERRIDE",
    }
)
_HELPER_CAPABILITIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "probe_write_user": "CAP_SYS_ADMIN",
        "sys_bpf": "CAP_PERFMON",
        "kallsyms_lookup_name": "CAP_PERFMON",
    }
)
# helpers that read the kernel or processes need CAP_PERFMON in any type of program
# (bpf_base_func_proto and bpf_sk_base_func_proto)
_READING_HELPERS: Final = """
copy_from_user copy_from_user_task find_vma get_branch_snapshot get_current_comm
get_current_task get_current_task_btf get_task_stack perf_event_read perf_event_read_value
probe_read_kernel probe_read_kernel_str probe_read_user probe_read_user_str send_signal
send_signal_thread skc_to_mptcp_sock skc_to_tcp6_sock skc_to_tcp_request_sock skc_to_tcp_sock
skc_to_tcp_timewait_sock skc_to_udp6_sock skc_to_unix_sock snprintf snprintf_btf task_pt_regs
trace_printk trace_vprintk
"""


def to_load(prog_type: int) -> frozenset[str]:
    """Return the capabilities to load a program of that type, from 5.8 on.

    CAP_SYS_ADMIN includes them. Before 5.8 it is needed (with CAP_NET_ADMIN for network programs).
    """
    needed = {"CAP_BPF"}
    if prog_type in _PERFMON:
        needed.add("CAP_PERFMON")
    if prog_type in _NET_ADMIN:
        needed.add("CAP_NET_ADMIN")
    return frozenset(needed)


def to_attach(prog_type: int) -> frozenset[str]:
    """Return the capabilities to attach a program of that type, besides those to load it."""
    needed = _TO_ATTACH.get(prog_type)
    return frozenset({needed} if needed else ())


def included_in(name: str) -> str:
    """Return the capability that bpf(2) accepts in place of ``name``, "" if there is none.

    CAP_BPF and CAP_PERFMON were split from CAP_SYS_ADMIN; bpf(2) accepts that for CAP_NET_ADMIN
    too.
    """
    return _INCLUDED.get(name, "")


def to_create(map_type: int) -> frozenset[str]:
    """Return the capabilities to create a map of that type."""
    needs_net_admin = map_types.of(map_type).net_admin
    return frozenset({"CAP_BPF", "CAP_NET_ADMIN"} if needs_net_admin else {"CAP_BPF"})


def to_call(name: str) -> frozenset[str]:
    """Return the capabilities for a program that calls a helper, besides those of its type."""
    needed = "CAP_PERFMON" if name in _READING_HELPERS.split() else _HELPER_CAPABILITIES.get(name)
    return frozenset({needed} if needed else ())
