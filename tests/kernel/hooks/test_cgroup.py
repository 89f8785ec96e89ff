"""Programs of a cgroup, by link and by BPF_PROG_ATTACH, see its processes and no others."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from beepy import hooks
from beepy.errors import AttachError
from beepy.hooks import Target, cgroup, journal
from beepy.host import cgroups
from beepy.text import safe
from tests.support import child
from tests.support.groups import CASES, entered, packets
from tests.support.hits import attach, compile_object, hits, loaded

pytestmark = pytest.mark.kernel

OLD = """
import errno, logging, os, signal, sys
from pathlib import Path
from beepy import uapi
from beepy.hooks import Target, journal
from beepy.sys import call
from tests.kernel.hooks.test_cgroup import counts
from tests.support.groups import entered
from tests.support.hits import attach, loaded
from tests.support.seccomp import refuse

logging.basicConfig(level=logging.INFO, stream=sys.stdout)
refuse(call.numbers().bpf, errno.EINVAL, first_argument=uapi.Cmd.LINK_CREATE)
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_object("cgroup", tmp_path_factory.mktemp("cgroup"))


@pytest.fixture(scope="module")
def group() -> Iterator[Path]:
    root = cgroups.root()
    if not root:
        pytest.skip("cgroup v2 is not mounted")
    made = Path(root) / f"beepy-test-{os.getpid()}"
    made.mkdir()
    yield made
    made.rmdir()


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(journal, "DIRECTORY", tmp_path / "beepy")
    yield tmp_path / "beepy"
    assert list((tmp_path / "beepy").glob("*")) == []


def counts(path: Path, group: Path, name: str) -> None:
    _, row, provoke, least = CASES[name]
    with loaded(path) as collection:
        with attach(collection, name, Target(cgroup=str(group))):
            provoke()
            assert hits(collection, row) == 0, "this process is not in the group"
            with entered(group):
                provoke()
            seen = hits(collection, row)
            assert seen >= least
        with entered(group):
            provoke()
        assert hits(collection, row) == seen


def old(directory: Path, *lines: str) -> str:
    """Return code of a process that has no links, as before v5.7."""
    return OLD + f"journal.DIRECTORY = Path({str(directory)!r})\n" + "\n".join(lines)


@pytest.mark.parametrize("name", CASES)
def test_a_link_sees_what_the_group_does(name: str, path: Path, group: Path) -> None:
    counts(path, group, name)


def test_prog_attach_is_used_without_links(path: Path, group: Path, directory: Path) -> None:
    """BPF_LINK_CREATE answers EINVAL (seccomp says it here)."""
    lines = (
        f"for name in {list(CASES)}:",
        f"    counts(Path({str(path)!r}), Path({str(group)!r}), name)",
    )
    told = child.run(old(directory, *lines))
    for name in CASES:
        assert told.count(f"program '{name}': no cgroup link, attaching by BPF_PROG_ATTACH") == (
            2 if name == "skb" else 1
        )


def shown(group: Path) -> str:
    return subprocess.run(
        ["bpftool", "cgroup", "show", group], check=True, capture_output=True, text=True
    ).stdout


def test_a_killed_process_s_program_is_detached(path: Path, group: Path, directory: Path) -> None:
    lines = (
        f"with loaded(Path({str(path)!r})) as collection:",
        f"    target = Target({str(group)!r})",
        "    links = [attach(collection, name, target) for name in ('skb', 'sock_create')]",
        "    os.kill(os.getpid(), signal.SIGKILL)",
    )
    done = subprocess.run(
        [sys.executable, "-c", old(directory, *lines)],
        cwd=child.ROOT,
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(list(directory.iterdir())) == 3
    with entered(group):
        hooks.sweep()
    assert "sock_create" not in shown(group)
    assert "skb" not in shown(group)


def test_cleanup_ignores_a_removed_group() -> None:
    cgroup.cleanup("/sys/fs/cgroup/beepy-none", "0", "1")


def test_every_process_is_seen_without_a_group(path: Path) -> None:
    with loaded(path) as collection, attach(collection, "sock_create", Target()):
        packets()
        assert hits(collection, 3) >= 2


def test_several_programs_run(path: Path, group: Path) -> None:
    target = Target(cgroup=str(group))
    with (
        loaded(path) as collection,
        attach(collection, "sock_create", target),
        attach(collection, "sock_create", target),
        entered(group),
    ):
        socket.socket().close()
        assert hits(collection, 3) == 2


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("/proc", "not of cgroup v2"),
        ("/beepy-none", "no such file or directory (ENOENT)"),
        ("/dev/null", "not a directory (ENOTDIR)"),
        ("/a\0b\n", "no such file or directory (ENOENT)"),
    ],
)
def test_errors_for_an_invalid_group(name: str, why: str, path: Path) -> None:
    with loaded(path) as collection, pytest.raises(AttachError) as caught:
        attach(collection, "connect4", Target(cgroup=name))
    assert str(caught.value) == f"program 'connect4': cgroup '{safe(name)}': {why}"


def test_a_relative_path_starts_in_the_working_directory(
    path: Path, group: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(group.parent)
    with (
        loaded(path) as collection,
        attach(collection, "sock_create", Target(group.name)),
        entered(group),
    ):
        socket.socket().close()
        assert hits(collection, 3) == 1
