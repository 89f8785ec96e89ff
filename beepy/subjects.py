"""Whose context a program runs in: whether "current" is the process that an event is about.

The kernel knows the current process only. For a system call that is the process which made it; for
a packet, a timer or the end of an input it is whatever was interrupted.
"""

from enum import Enum
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from beepy.sections import Hook, Mechanism
from beepy.uapi import ProgType


class Context(Enum):
    """Whether the current process is the one that an event is about."""

    CURRENT = "current"
    OTHER = "other"
    UNKNOWN = "unknown"


class Verdict(NamedTuple):
    """Whose context a program runs in, and why, for messages."""

    context: Context
    why: str


_ALWAYS_CURRENT: Final = {
    Mechanism.KSYSCALL: "system calls",
    Mechanism.UPROBE: "functions of processes",
    Mechanism.UPROBE_MULTI: "functions of processes",
    Mechanism.USDT: "probes in processes",
    Mechanism.PERF_EVENT: "samples of processes",
}

# names of tracepoints, without their category
_CURRENT_TRACEPOINTS: Final = (
    "sys_enter*",
    "sys_exit*",
    "sched_process_exec",
    "sched_process_exit",
    "sched_process_fork",
    "sched_process_wait",
    "signal_deliver",
    "task_newtask",
    "task_rename",
    "page_fault_user",
    "cap_capable",
)
_OTHER_TRACEPOINTS: Final = {
    "sched_switch": "the process that leaves the CPU is current",
    "sched_wakeup*": "the process that wakes is current",
    "sched_waking": "the process that wakes is current",
    "sched_migrate_task": "the process that moves it is current",
    "sched_stat_*": "the scheduler runs in any process",
    "sched_process_free": "freed later, by any process",
    "sched_process_hang": "the kernel's watchdog is current",
    "block_*": "input and output end, and often begin, in any process",
    "inet_sock_set_state": "packets arrive in any process",
    "tcp_*": "packets arrive in any process",
    "net_*": "packets arrive in any process",
    "netif_*": "packets arrive in any process",
    "napi_*": "packets arrive in any process",
    "kfree_skb": "packets arrive in any process",
    "consume_skb": "packets arrive in any process",
    "xdp_*": "packets arrive in any process",
    "irq_*": "interrupts come in any process",
    "softirq_*": "interrupts come in any process",
    "tasklet_*": "interrupts come in any process",
    "timer_*": "timers expire in any process",
    "hrtimer_*": "timers expire in any process",
    "tick_*": "timers expire in any process",
    "workqueue_*": "the kernel's workers are current",
    "rcu_*": "callbacks run in any process",
    "mark_victim": "the process that needs memory is current",
}
_CURRENT_FUNCTIONS: Final = (
    "__x64_sys_*",
    "__arm64_sys_*",
    "__ia32_sys_*",
    "__se_sys_*",
    "__do_sys_*",
    "do_sys_open*",
    "cap_capable",
)
_OTHER_FUNCTIONS: Final = {
    "tcp_rcv_*": "packets arrive in any process",
    "tcp_v?_rcv": "packets arrive in any process",
    "udp*_rcv*": "packets arrive in any process",
    "ip*_rcv*": "packets arrive in any process",
    "__netif_receive_skb*": "packets arrive in any process",
    "netif_receive_skb*": "packets arrive in any process",
    "tcp_set_state": "packets arrive in any process",
    "blk_mq_end_request*": "input and output end in any process",
    "blk_account_io_*": "input and output end in any process",
    "try_to_wake_up": "the process that wakes is current",
    "ttwu_*": "the process that wakes is current",
    "finish_task_switch*": "the process that enters the CPU is current",
    "oom_kill_process": "the process that needs memory is current",
}

# Only where a skipped run, which returns 0, changes nothing: for the others 0 is a verdict.
_SKIPPABLE: Final = frozenset(
    {
        *(ProgType.KPROBE, ProgType.TRACEPOINT, ProgType.RAW_TRACEPOINT),
        *(ProgType.TRACING, ProgType.PERF_EVENT, ProgType.LSM),
    }
)
_SKIPPABLE_MECHANISMS: Final = frozenset(
    {
        *(Mechanism.KPROBE, Mechanism.KPROBE_MULTI, Mechanism.KSYSCALL),
        *(Mechanism.UPROBE, Mechanism.UPROBE_MULTI, Mechanism.USDT),
        *(Mechanism.TRACEPOINT, Mechanism.RAW_TRACEPOINT, Mechanism.PERF_EVENT),
        *(Mechanism.TRAMPOLINE, Mechanism.TRAMPOLINE_MULTI),
    }
)


def is_skippable(hook: Hook) -> bool:
    """Tell whether a program may return 0 at once: it is only there to look.

    A program of fmod_ret decides; so do all of networking, and of cgroups.
    """
    looks_only = hook.prog_type == ProgType.LSM or not hook.effect
    return hook.prog_type in _SKIPPABLE and hook.mechanism in _SKIPPABLE_MECHANISMS and looks_only


def of(hook: Hook, target: str) -> Verdict:
    """Return whose events the programs of a section are about; ``target`` is where they attach."""
    if hook.mechanism in _ALWAYS_CURRENT:
        return Verdict(Context.CURRENT, _ALWAYS_CURRENT[hook.mechanism])
    if hook.prog_type == ProgType.LSM and hook.mechanism is Mechanism.TRAMPOLINE:
        return Verdict(Context.CURRENT, "what processes may do")
    if not is_skippable(hook):
        return Verdict(Context.OTHER, f"a program of {hook.section.rstrip('+')} has no process")
    name = target.rpartition("/")[2].rpartition(":")[2].partition("+")[0]
    if hook.mechanism in (Mechanism.TRACEPOINT, Mechanism.RAW_TRACEPOINT):
        return _named(name, _CURRENT_TRACEPOINTS, _OTHER_TRACEPOINTS)
    return _named(name, _CURRENT_FUNCTIONS, _OTHER_FUNCTIONS)


def _named(name: str, current: tuple[str, ...], other: dict[str, str]) -> Verdict:
    if any(fnmatchcase(name, pattern) for pattern in current):
        return Verdict(Context.CURRENT, f"{name} is about the current process")
    for pattern, why in other.items():
        if fnmatchcase(name, pattern):
            return Verdict(Context.OTHER, f"{name}: {why}")
    return Verdict(Context.UNKNOWN, f"{name}: not known whose events these are")
