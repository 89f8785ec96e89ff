import pkgutil
from functools import partial
from importlib import import_module

import pytest

from beepy import hooks
from beepy.btf.types import Kind
from beepy.hooks import TABLE, TAKES, UNDO, Hook, Target, find, target, unknown
from beepy.uapi import AttachType, ProgFlag, ProgType


def row(section: str) -> Hook:
    hook = find(section)
    assert hook, section
    return hook


@pytest.mark.parametrize(
    ("section", "prog_type", "attach_type", "name"),
    [
        ("socket", ProgType.SOCKET_FILTER, 0, ""),
        ("kprobe/tcp_v4_connect", ProgType.KPROBE, 0, "tcp_v4_connect"),
        ("kprobe", ProgType.KPROBE, 0, ""),
        ("?kretprobe/tcp_v4_connect", ProgType.KPROBE, 0, "tcp_v4_connect"),
        ("uprobe.s//bin/bash:readline", ProgType.KPROBE, 0, "/bin/bash:readline"),
        ("kprobe.multi/tcp_*", ProgType.KPROBE, AttachType.TRACE_KPROBE_MULTI, "tcp_*"),
        ("kprobe.session/tcp_*", ProgType.KPROBE, AttachType.TRACE_KPROBE_SESSION, "tcp_*"),
        ("usdt/libc.so.6:libc:setjmp", ProgType.KPROBE, 0, "libc.so.6:libc:setjmp"),
        ("tracepoint/sched/sched_process_exit", ProgType.TRACEPOINT, 0, "sched/sched_process_exit"),
        ("tp/sched/sched_process_exit", ProgType.TRACEPOINT, 0, "sched/sched_process_exit"),
        ("raw_tp/sched_switch", ProgType.RAW_TRACEPOINT, 0, "sched_switch"),
        ("raw_tracepoint.w/nbd_send_request", ProgType.RAW_TRACEPOINT_WRITABLE, 0, "nbd_send_request"),
        ("tp_btf/sched_switch", ProgType.TRACING, AttachType.TRACE_RAW_TP, "sched_switch"),
        ("fentry/do_unlinkat", ProgType.TRACING, AttachType.TRACE_FENTRY, "do_unlinkat"),
        ("fsession/do_unlinkat", ProgType.TRACING, AttachType.TRACE_FSESSION, "do_unlinkat"),
        ("fmod_ret/security_file_open", ProgType.TRACING, AttachType.MODIFY_RETURN, "security_file_open"),
        ("freplace/handler", ProgType.EXT, 0, "handler"),
        ("lsm/file_open", ProgType.LSM, AttachType.LSM_MAC, "file_open"),
        ("lsm_cgroup/socket_post_create", ProgType.LSM, AttachType.LSM_CGROUP, "socket_post_create"),
        ("iter/task", ProgType.TRACING, AttachType.TRACE_ITER, "task"),
        ("syscall", ProgType.SYSCALL, 0, ""),
        ("tc", ProgType.SCHED_CLS, 0, ""),
        ("tcx/ingress", ProgType.SCHED_CLS, AttachType.TCX_INGRESS, ""),
        ("xdp", ProgType.XDP, AttachType.XDP, ""),
        ("xdp.frags/cpumap", ProgType.XDP, AttachType.XDP_CPUMAP, ""),
        ("cgroup/skb", ProgType.CGROUP_SKB, 0, ""),
        ("cgroup_skb/egress", ProgType.CGROUP_SKB, AttachType.CGROUP_INET_EGRESS, ""),
        ("cgroup/connect4", ProgType.CGROUP_SOCK_ADDR, AttachType.CGROUP_INET4_CONNECT, ""),
        ("struct_ops/init", ProgType.STRUCT_OPS, 0, "init"),
        ("netfilter", ProgType.NETFILTER, AttachType.NETFILTER, ""),
    ],
)
def test_a_section_says_what_it_is(section: str, prog_type: ProgType, attach_type: int, name: str) -> None:
    hook = row(section)
    assert (hook.prog_type, hook.attach_type, target(hook, section)) == (prog_type, attach_type, name)


@pytest.mark.parametrize(
    "section",
    ["", "?", "kprobes/f", "kprobe.x/f", "xdp/eth0", "socket/1", "tc/middle", "tracepoints/a/b", ".text", "maps", "+"],
)
def test_what_libbpf_does_not_know_is_unknown(section: str) -> None:
    assert find(section) is None


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("socket1", "socket"),
        ("classifier/stats", "classifier"),
        ("perf_event/profiler", "perf_event"),
        ("xdp/lo", "xdp"),
        ("xdp.frags/lo", "xdp.frags"),
        ("?xdp_drop", "xdp"),
        ("kprobes/f", "kprobe/f"),
        ("kprob/vfs_read", "kprobe/vfs_read"),
        ("kprobe.x/f", "kprobe/f"),
        ("tcpconnect", ""),
        ("nobody/knows", ""),
        ("", ""),
    ],
)
def test_what_an_unknown_section_was_meant_as(section: str, expected: str) -> None:
    told = f', expected SEC("{expected}")' if expected else ""
    assert unknown(section) == f"section '{section}': no program type is known by that name{told}"
    if expected:
        assert find(expected)


def test_each_row_is_found_by_its_own_section() -> None:
    for hook in TABLE:
        assert find(hook.section.removesuffix("+")) is hook
        if hook.section.endswith("+"):
            assert find(f"{hook.section.removesuffix('+')}/x") is hook


def test_suffixes_say_the_flags() -> None:
    for hook in TABLE:
        words = hook.section.rstrip("+").partition("/")[0].split(".")
        sleeps = "s" in words or hook.section == "syscall"
        assert bool(hook.flags & ProgFlag.SLEEPABLE) == sleeps, hook
        assert bool(hook.flags & ProgFlag.XDP_HAS_FRAGS) == ("frags" in words), hook


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("tp_btf/sched_switch", ("btf_trace_", Kind.TYPEDEF)),
        ("tp_btf.s/sys_enter", ("btf_trace_", Kind.TYPEDEF)),
        ("lsm/file_open", ("bpf_lsm_", Kind.FUNC)),
        ("lsm_cgroup/socket_bind", ("bpf_lsm_", Kind.FUNC)),
        ("iter/task", ("bpf_iter_", Kind.FUNC)),
        ("fentry/do_exit", ("", Kind.FUNC)),
        ("fexit.s/do_exit", ("", Kind.FUNC)),
        ("fmod_ret/do_exit", ("", Kind.FUNC)),
        ("freplace/f", ("", Kind.FUNC)),
        ("fentry.multi/do_*", None),
        ("struct_ops/init", None),
        ("raw_tp/sched_switch", None),
        ("kprobe/f", None),
    ],
)
def test_tells_the_type_to_attach_to(section: str, expected: tuple[str, Kind] | None) -> None:
    assert row(section).btf_target == expected


def test_every_mechanism_is_there() -> None:
    used = [function for hook in TABLE for function in (hook.attach, hook.reader) if function]
    for function in (*used, *UNDO.values()):
        assert isinstance(function, partial)
        module, name = function.args
        assert callable(getattr(import_module(f"beepy.hooks.{module}"), name))


def test_what_is_noted_can_be_undone() -> None:
    kinds = {}
    for info in pkgutil.iter_modules(hooks.__path__):
        module = import_module(f"beepy.hooks.{info.name}")
        if hasattr(module, "KIND"):
            kinds[module.KIND] = info.name
    assert {kind: undo.args for kind, undo in UNDO.items() if isinstance(undo, partial)} == {
        kind: (module, "undo") for kind, module in kinds.items()
    }


def test_attach_types_that_old_kernels_may_not_know_are_marked() -> None:
    assert row("xdp").optional
    assert row("cgroup_skb/ingress").optional
    assert not row("xdp/cpumap").optional
    assert not row("tp_btf/sched_switch").optional


def test_who_reads_what_of_a_target() -> None:
    assert set(TAKES) <= {hook.module for hook in TABLE}
    assert {field for fields in TAKES.values() for field in fields} == set(Target._fields) - {"name", "maps"}
