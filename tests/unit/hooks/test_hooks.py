"""Every mechanism has a module with the functions that the room calls."""

import inspect
import pkgutil
from importlib import import_module

import pytest

from beepy import hooks, sections
from beepy.errors import AttachError
from beepy.hooks import Target
from beepy.sections import OPTIONS, Mechanism


def test_every_mechanism_has_a_module() -> None:
    for mechanism in Mechanism:
        module = import_module(f"beepy.hooks.{mechanism.module}")
        assert list(inspect.signature(module.attach).parameters) == ["program", "target"], mechanism
        if hasattr(module, "points"):
            assert list(inspect.signature(module.points).parameters) == ["target", "machine"], (
                mechanism
            )
        if hasattr(module, "reader"):
            assert list(inspect.signature(module.reader).parameters) == [
                "program",
                "target",
                "spec",
            ], mechanism


def test_every_kind_of_journal_entry_has_a_cleanup_function() -> None:
    modules = [
        import_module(f"beepy.hooks.{info.name}") for info in pkgutil.iter_modules(hooks.__path__)
    ]
    kinds = {module.KIND for module in modules if hasattr(module, "KIND")}
    assert kinds == {
        "cgroup",
        "flow_dissector",
        "sk_reuseport",
        "tc",
        "tracefs event",
        "xdp",
    }  # earlier beepys' too
    for kind in kinds:
        undo = hooks._cleanup_for(kind)
        assert undo
        assert undo.__module__ in {
            module.__name__ for module in modules if getattr(module, "KIND", "") == kind
        } | {"beepy.hooks.persistent"}
    assert hooks._cleanup_for("event of a later beepy") is None


def test_options_are_fields_of_a_target() -> None:
    assert set(OPTIONS) == set(Target._fields) - {"name", "maps", "shared"}


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("kprobe/do_exit+0x10", ["function do_exit", "function register_kprobe"]),
        ("kretprobe/nfs:nfs_read", ["function nfs_read", "function register_kprobe"]),
        ("kprobe/__arm64_sys_close", ["function __x64_sys_close", "function register_kprobe"]),
        ("kprobe", ["function register_kprobe"]),
        ("ksyscall/openat", ["system call openat", "function register_kprobe"]),
        ("kprobe.multi/do_exit", ["function do_exit", "function register_fprobe_ips"]),
        ("kprobe.multi/do_*", ["function register_fprobe_ips"]),
        ("uprobe/libc.so.6:getenv", ["function uprobe_register"]),
        ("usdt/libc.so.6:libc:setjmp", ["function uprobe_register"]),
        ("uprobe.multi/libc.so.6:get*", []),
        ("tp/sched/sched_switch", ["tracepoint sched/sched_switch"]),
        ("tp", []),
        ("raw_tp/sched_switch", ["raw tracepoint sched_switch"]),
        ("xdp", []),
        ("struct_ops/init", []),
    ],
)
def test_points_that_a_kernel_must_have(section: str, expected: list[str]) -> None:
    hook = sections.find(section)
    assert hook
    points = hooks.points(hook, Target(sections.target(hook, section)), "x86_64")
    assert [f"{kind} {name}" for kind, name, _ in points] == expected


@pytest.mark.parametrize("text", ["sched", "sched/", "/sched_switch"])
def test_a_malformed_tracepoint_is_an_error(text: str) -> None:
    hook = sections.find("tp")
    assert hook
    with pytest.raises(AttachError, match=r"^tracepoint: expected CATEGORY/NAME$"):
        hooks.points(hook, Target(text), "")


@pytest.mark.parametrize(
    ("section", "target", "expected"),
    [
        ("xdp", Target(iface="lo"), "xdp (iface lo)"),
        ("xdp", Target("lo", netns="red"), "xdp/lo (netns red)"),
        (
            "uprobe/x:y",
            Target("x:z", binary="/bin/sh", pid=1),
            "uprobe/x:z (binary /bin/sh, pid 1)",
        ),
        ("kprobe/f", Target("f", pid=1), "kprobe/f"),
        ("nobody/knows", Target(), "nobody/knows"),
    ],
)
def test_describe_target(section: str, target: Target, expected: str) -> None:
    assert hooks.describe_target(section, target) == expected
