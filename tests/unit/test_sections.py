"""The table of SEC() prefixes, and a row that is added to it."""

import pytest

from beepy import sections
from beepy.analysis import requirements
from beepy.analysis.describe import describe
from beepy.btf.types import Kind
from beepy.collection import targets
from beepy.collection.unknown_section import reason
from beepy.errors import UsageError
from beepy.hooks import Target, describe_target
from beepy.obj.spec import CollectionSpec, ProgramSpec
from beepy.oci.image import Image
from beepy.sections import OPTIONS, TABLE, Hook, Mechanism, exact, find, target
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
        (
            "raw_tracepoint.w/nbd_send_request",
            ProgType.RAW_TRACEPOINT_WRITABLE,
            0,
            "nbd_send_request",
        ),
        ("tp_btf/sched_switch", ProgType.TRACING, AttachType.TRACE_RAW_TP, "sched_switch"),
        ("fentry/do_unlinkat", ProgType.TRACING, AttachType.TRACE_FENTRY, "do_unlinkat"),
        ("fsession/do_unlinkat", ProgType.TRACING, AttachType.TRACE_FSESSION, "do_unlinkat"),
        (
            "fmod_ret/security_file_open",
            ProgType.TRACING,
            AttachType.MODIFY_RETURN,
            "security_file_open",
        ),
        ("freplace/handler", ProgType.EXT, 0, "handler"),
        ("lsm/file_open", ProgType.LSM, AttachType.LSM_MAC, "file_open"),
        (
            "lsm_cgroup/socket_post_create",
            ProgType.LSM,
            AttachType.LSM_CGROUP,
            "socket_post_create",
        ),
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
def test_type_and_target_of_a_section(
    section: str, prog_type: ProgType, attach_type: int, name: str
) -> None:
    hook = row(section)
    assert (hook.prog_type, hook.attach_type, target(hook, section)) == (
        prog_type,
        attach_type,
        name,
    )


@pytest.mark.parametrize(
    "section",
    [
        "",
        "?",
        "kprobes/f",
        "kprobe.x/f",
        "xdp/eth0",
        "socket/1",
        "tc/middle",
        "tracepoints/a/b",
        ".text",
        "maps",
        "+",
    ],
)
def test_sections_unknown_to_libbpf_are_unknown(section: str) -> None:
    assert exact(section) is None


@pytest.mark.parametrize(
    ("section", "row_section", "name"),
    [
        ("socket1", "socket", ""),
        ("socket/1", "socket", ""),
        ("?socket_filter", "socket", ""),
        ("classifier/stats", "classifier", ""),
        ("tc/middle", "tc", ""),
        ("tc/ingress/a", "tc/ingress", ""),
        ("sockops/x", "sockops", ""),
        ("sk_msg/x", "sk_msg", ""),
        ("sk_skb/stream_verdict/x", "sk_skb/stream_verdict", ""),
        ("cgroup_skb/egress/x", "cgroup_skb/egress", ""),
        ("cgroup/skb/x", "cgroup/skb", ""),
        ("cgroup/sock_create-x", "cgroup/sock_create", ""),
        ("cgroup/dev/x", "cgroup/dev", ""),
        ("xdp_drop", "xdp", ""),
        ("xdp_drop/lo", "xdp", ""),
        ("xdp/eth0", "xdp", "eth0"),
        ("?xdp/eth0", "xdp", "eth0"),
        ("xdp.frags/eth0", "xdp.frags", ""),
        ("xdp/devmap/x", "xdp/devmap", ""),
        ("perf_event/profiler", "perf_event", "profiler"),
        ("perf_event/type=0,config=3", "perf_event", "type=0,config=3"),
    ],
)
def test_sections_that_other_loaders_know(section: str, row_section: str, name: str) -> None:
    hook = row(section)
    assert exact(section) is None
    assert (hook.section, target(hook, section)) == (row_section, name)


@pytest.mark.parametrize(
    "section",
    ["", "?", "tcpconnect", "xdpx/lo", "xdp.x", "kprobes/f", "kprobe1", "kprobe+/f", "maps", "+"],
)
def test_sections_that_nobody_knows(section: str) -> None:
    assert find(section) is None


def test_each_row_is_found_by_its_own_section() -> None:
    for hook in TABLE:
        assert find(hook.section.removesuffix("+")) is hook
        if hook.section.endswith("+"):
            assert find(f"{hook.section.removesuffix('+')}/x") is hook


def test_flags_of_suffixes() -> None:
    for hook in TABLE:
        words = hook.section.rstrip("+").partition("/")[0].split(".")
        sleeps = "s" in words or hook.section == "syscall"
        assert bool(hook.flags & ProgFlag.SLEEPABLE) == sleeps, hook
        assert bool(hook.flags & ProgFlag.XDP_HAS_FRAGS) == ("frags" in words), hook


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("tp_btf/sched_switch", ("", "btf_trace_sched_switch", Kind.TYPEDEF)),
        ("tp_btf.s/sys_enter", ("", "btf_trace_sys_enter", Kind.TYPEDEF)),
        ("lsm/file_open", ("", "bpf_lsm_file_open", Kind.FUNC)),
        ("lsm_cgroup/socket_bind", ("", "bpf_lsm_socket_bind", Kind.FUNC)),
        ("iter/task", ("", "bpf_iter_task", Kind.FUNC)),
        ("iter/bpf_map_elem/counts", ("", "bpf_iter_bpf_map_elem", Kind.FUNC)),
        ("fentry/do_exit", ("", "do_exit", Kind.FUNC)),
        ("fentry/nfs:nfs_file_read", ("nfs", "nfs_file_read", Kind.FUNC)),
        ("fentry/vmlinux:do_exit", ("vmlinux", "do_exit", Kind.FUNC)),
        ("fexit.s/do_exit", ("", "do_exit", Kind.FUNC)),
        ("fmod_ret/do_exit", ("", "do_exit", Kind.FUNC)),
        ("freplace/f", None),
        ("fentry.multi/do_*", None),
        ("struct_ops/init", None),
        ("raw_tp/sched_switch", None),
        ("kprobe/f", None),
    ],
)
def test_kernel_type_to_attach_to(section: str, expected: tuple[str, str, Kind] | None) -> None:
    hook = row(section)
    assert hook.kernel_type(target(hook, section)) == expected


def test_attach_types_that_old_kernels_may_not_know_are_marked() -> None:
    assert row("xdp").optional
    assert row("cgroup_skb/ingress").optional
    assert not row("xdp/cpumap").optional
    assert not row("tp_btf/sched_switch").optional


@pytest.mark.parametrize(
    ("section", "needed"),
    [
        ("xdp", False),
        ("xdp/cpumap", True),
        ("cgroup_skb/ingress", False),
        ("sk_reuseport", False),
        ("sk_reuseport/migrate", True),
        ("tcx/ingress", False),
        ("netkit/peer", True),
        ("kprobe", False),
        ("kprobe.multi", True),
    ],
)
def test_attach_types_that_a_kernel_must_know(section: str, needed: bool) -> None:
    assert row(section).needs_attach_type == needed


def test_returns_are_those_of_return_probes() -> None:
    assert {hook.section for hook in TABLE if hook.returns} == {
        *("kretprobe+", "uretprobe+", "uretprobe.s+", "kretsyscall+"),
        *("kretprobe.multi+", "uretprobe.multi+", "uretprobe.multi.s+"),
    }


def test_every_mechanism_has_a_row() -> None:
    assert {hook.mechanism for hook in TABLE} == {*Mechanism, None}
    assert {option for mechanism in Mechanism for option in mechanism.options} == set(OPTIONS)
    assert row("uprobe").options == ("binary", "pid")
    assert row("struct_ops").options == ()


@pytest.mark.parametrize(
    ("section", "name", "reads"),
    [
        ("tracepoint", "sched/sched_switch", True),
        ("kprobe.multi", "tcp_*", True),
        ("kprobe.multi", "tcp_ack", False),
        ("fentry.multi", "tcp_a?k", True),
        ("kprobe", "tcp_ack", False),
    ],
)
def test_reads_tracefs(section: str, name: str, reads: bool) -> None:
    mechanism = row(section).mechanism
    assert mechanism
    assert mechanism.reads_tracefs(name) == reads


@pytest.mark.parametrize(
    ("section", "effect", "of_context"),
    [
        ("xdp.frags", "packets", ""),
        ("lsm.s/file_open", "permissions", ""),
        ("cgroup/sysctl", "sysctl values", ""),
        ("fmod_ret/f", "return values of kernel functions", ""),
        ("uprobe.multi/x:y", "", "registers of processes"),
        ("usdt/x:y:z", "", "registers of processes"),
        ("kprobe/f", "", ""),
        ("tp/a/b", "", ""),
    ],
)
def test_effects(section: str, effect: str, of_context: str) -> None:
    hook = row(section)
    assert (hook.effect, hook.context_effect) == (effect, of_context)


NEW = Hook(
    "fuprobe.s+",
    ProgType.KPROBE,
    AttachType.TRACE_UPROBE_MULTI,
    Mechanism.UPROBE,
    effect="what it calls",
)
"""A row that no table has, with a mechanism that there is."""


@pytest.fixture
def new(monkeypatch: pytest.MonkeyPatch) -> CollectionSpec:
    """Return an object with a program of a section that is new in the table."""
    program = ProgramSpec("one", "fuprobe.s/libc.so.6:getenv", (), (), (), (), (), (("one", 0),))
    assert find(program.section) is None
    monkeypatch.setattr(sections, "TABLE", (*TABLE, NEW))
    return CollectionSpec("image", "GPL", (program,), (), (), (), None)


def test_a_new_row_is_found(new: CollectionSpec) -> None:
    (program,) = new.programs
    assert find(program.section) is NEW
    assert target(NEW, program.section) == "libc.so.6:getenv"
    assert reason("fuprobe.t/x").endswith('expected SEC("fuprobe.s/x")')


def test_a_new_row_is_described(new: CollectionSpec) -> None:
    image = Image("image", "sha256:0", "", {}, 0, "elf", {}, (b"",))
    (program,) = describe(image, new).programs
    assert (program.type, program.target) == ("kprobe", "libc.so.6:getenv")
    assert program.changes == ("what it calls",)


def test_requirements_of_a_new_row(new: CollectionSpec) -> None:
    whole, _ = requirements.of_collection(new)
    assert whole.kernel == "6.6"
    assert whole.because == ("attach type trace_uprobe_multi",)
    assert [one.name for one in whole.capabilities] == ["CAP_SYS_ADMIN"]
    assert whole.capabilities[0].reason == "perf events of uprobes"


def test_a_new_row_takes_the_options_of_its_mechanism(new: CollectionSpec) -> None:
    ((_, chosen),) = targets.choose([new], {}, Target(pid=1, binary="/bin/sh"))[0].items()
    assert describe_target("fuprobe.s/libc.so.6:getenv", chosen) == (
        "fuprobe.s/libc.so.6:getenv (binary /bin/sh, pid 1)"
    )
    with pytest.raises(UsageError, match="not used by any program") as caught:
        targets.choose([new], {}, Target(iface="lo"))
    assert "fuprobe" not in caught.value.__notes__[0]
    del new


def test_a_new_row_needs_a_kind_in_the_tests(new: CollectionSpec) -> None:
    from tests.vm import kinds

    assert kinds.uncovered() == [NEW.section]
    del new
