import os
import re
from pathlib import Path

import pytest

from beepy import selecting, subjects
from beepy.collection import targets
from beepy.errors import AttachError, RewriteError, UsageError
from beepy.hooks import Target
from beepy.host import containers
from beepy.host.containers import Tree
from beepy.obj.insn import EXIT, MOV64_IMM, Insn
from beepy.oci import lookup
from beepy.rewrite.select import MAX_CGROUPS, MAX_MEMBERS, PIDS, Selection
from beepy.selecting import Subjects, apply, common_target, resolve
from beepy.source import parse_all
from tests.support.specs import program, spec

BODY = (Insn(MOV64_IMM), Insn(EXIT))
PAGE = Path(__file__).parents[2] / "docs" / "selecting.md"
SELECTIONS = {
    "--pid": Selection(pids=(7,)),
    "--uid": Selection(uids=(7,)),
    "--comm": Selection(names=(b"a",)),
    "--cgroup": Selection(cgroups=("/sys/fs/cgroup/a",)),
}


def documented() -> dict[str, dict[str, str]]:
    """Return image -> option -> outcome of the page's table."""
    rows = re.findall(
        r"^\| ([\w-]+) \| (\w+) \| (\w+) \| (\w+) \| (\w+) \|$", PAGE.read_text(), re.MULTILINE
    )
    return {name: dict(zip(SELECTIONS, outcomes, strict=True)) for name, *outcomes in rows}


def outcome(image: str, selection: Selection) -> str:
    specs = parse_all(lookup.find(image), warn=False)
    common = common_target(specs, Target(), selection)
    try:
        selected = apply(specs, targets.choose(specs, {}, common), selection)
    except RewriteError:
        return "refused"
    if selected.filters:
        return "rows"
    if not selected.notices:
        return "kernel"
    return "variable" if "variable '" in selected.notices[0] else "current"


def test_the_page_has_every_bundled_image() -> None:
    names = {name.partition(":")[0] for name in lookup.bundled_store().names()}
    assert set(documented()) == names


@pytest.mark.parametrize("image", documented())
def test_each_image_is_selected_as_documented(image: str) -> None:
    assert {
        option: outcome(image, selection) for option, selection in SELECTIONS.items()
    } == documented()[image]


def test_a_refusal_names_the_program_and_why() -> None:
    specs = parse_all(lookup.find("runqlat"), warn=False)
    with pytest.raises(RewriteError) as caught:
        apply(specs, targets.choose(specs, {}, Target()), Selection(names=(b"a",)))
    assert caught.value.args[0].typed == (
        "--comm: program 'woken': sched_wakeup: the process that wakes is current; "
        "the records of hist_runqlat do not tell it"
    )


def test_cgroups_of_version_1_are_told_and_cannot_be_asked_of_records() -> None:
    old = Selection(old_groups=("/sys/fs/cgroup/pids/docker/d0",))
    specs = parse_all(lookup.find("opensnoop"), warn=False)
    (selected,), filters, notices = apply(specs, targets.choose(specs, {}, Target()), old)
    assert not filters
    why = "new processes are looked for every 20 ms: what they do before is missed"
    assert notices == [f"/sys/fs/cgroup/pids/docker/d0: a cgroup of version 1: {why}"]
    (pids,) = [map_spec for map_spec in selected.maps if map_spec.name == PIDS]
    assert pids.max_entries == MAX_MEMBERS
    specs = parse_all(lookup.find("oomkill"), warn=False)
    with pytest.raises(RewriteError, match="its records do not say in which cgroup it was"):
        apply(specs, targets.choose(specs, {}, Target()), old)


def test_alternatives_are_of_one_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    (old / ("a" * 64)).mkdir(parents=True)
    (new / ("b" * 64)).mkdir(parents=True)
    monkeypatch.setattr(selecting, "own_pid", os.getpid)
    monkeypatch.setattr(
        containers, "this_machine", lambda: [Tree(str(new)), Tree(str(old), old=True)]
    )
    chosen = resolve(Subjects(containers=("a" * 64,), pids=(7,)))
    assert (chosen.cgroups, chosen.old_groups) == ((), (f"{old}/{'a' * 64}",))
    assert resolve(Subjects(containers=("b" * 64,))).cgroups == (f"{new}/{'b' * 64}",)
    with pytest.raises(UsageError, match=r"version 1: not together with .*, which is of v2"):
        resolve(Subjects(containers=("a" * 64, "b" * 64)))
    with pytest.raises(AttachError, match=f"container '{'c' * 64}': no running container"):
        resolve(Subjects(containers=("c" * 64,)))
    monkeypatch.setattr(selecting, "own_pid", lambda: None)
    with pytest.raises(UsageError, match="of version 1: the kernel has other numbers"):
        resolve(Subjects(containers=("a" * 64,)))


def test_a_container_that_is_not_running_is_told() -> None:
    later = "container 'web\x1b'"
    chosen = Selection(cgroups=(later,), later=(later,))
    specs = parse_all(lookup.find("opensnoop"), warn=False)
    notices = apply(specs, targets.choose(specs, {}, Target()), chosen).notices
    assert notices == [r"container 'web\x1b': not running: its events are shown once it runs"]
    body = program(*BODY)._replace(section="fentry.s/do_exit")
    with pytest.raises(RewriteError, match=r"may sleep: container 'web\\x1b' has no cgroup yet"):
        apply([spec()._replace(programs=(body,))], [{body.name: Target()}], chosen)


def test_rows_are_filtered_by_exact_texts() -> None:
    specs = parse_all(lookup.find("oomkill"), warn=False)
    chosen = Selection(pids=(7, 8), names=(b"a.b",))
    selected = apply(specs, targets.choose(specs, {}, Target()), chosen)
    (tracked,) = specs[0].tracked
    assert selected.filters == [
        f"{tracked.map},pid,^(7|8)$",
        rf"{tracked.map},comm,^(a\.b)$",
    ]


def test_what_is_asked_for_is_checked() -> None:
    assert resolve(Subjects(comms=("a", "a", "b"), pids=(3, 3))) == Selection(
        pids=(3,), names=(b"a", b"b")
    )
    for comm in ("", "a" * 16, "a\0b"):
        with pytest.raises(UsageError, match="a process has a name of 1 to 15 bytes"):
            resolve(Subjects(comms=(comm,)))
    many = tuple(f"/sys/fs/cgroup/{number}" for number in range(MAX_CGROUPS + 1))
    with pytest.raises(UsageError, match="17 cgroups: at most 16"):
        resolve(Subjects(cgroups=many))


@pytest.mark.parametrize(
    ("section", "context"),
    [
        ("tracepoint/syscalls/sys_enter_openat", "current"),
        ("tp/raw_syscalls/sys_exit", "current"),
        ("raw_tp/sched_process_exit", "current"),
        ("tp_btf/sched_switch", "other"),
        ("raw_tp/sched_wakeup_new", "other"),
        ("tracepoint/block/block_rq_complete", "other"),
        ("tp/sock/inet_sock_set_state", "other"),
        ("tracepoint/ext4/ext4_da_write_begin", "unknown"),
        ("kprobe/vfs_read+0x10", "unknown"),
        ("kprobe/__x64_sys_open", "current"),
        ("fentry/tcp_v4_rcv", "other"),
        ("fexit/do_sys_openat2", "current"),
        ("uprobe//bin/bash:readline", "current"),
        ("usdt/libc:libc:setjmp", "current"),
        ("lsm/file_open", "current"),
        ("lsm_cgroup/socket_bind", "other"),
        ("perf_event", "current"),
        ("fmod_ret/security_file_open", "other"),
        ("iter/task", "other"),
        ("xdp", "other"),
        ("cgroup_skb/ingress", "other"),
        ("struct_ops/init", "other"),
    ],
)
def test_whose_events_a_section_is_about(section: str, context: str) -> None:
    from beepy import sections

    hook = sections.find(section)
    assert hook
    assert subjects.of(hook, sections.target(hook, section)).context.value == context


def test_programs_beside_those_of_a_cgroup_are_named() -> None:
    """``--cgroup`` says where the first attaches, as it does for an object of such programs."""
    sections_of = {
        "skb": "cgroup_skb/ingress",
        "frame": "xdp",
        "call": "tp/syscalls/sys_enter_read",
    }
    programs = tuple(
        [program(*BODY, name=name)._replace(section=s) for name, s in sections_of.items()]
    )
    object_ = spec()._replace(programs=programs)
    selected = apply([object_], targets.choose([object_], {}, Target()), SELECTIONS["--cgroup"])
    assert selected.notices == [
        "frame: not restricted: program 'frame': a program of xdp has no process"
    ]
    changed = [
        before != after for before, after in zip(programs, selected.specs[0].programs, strict=True)
    ]
    assert changed == [False, False, True]
