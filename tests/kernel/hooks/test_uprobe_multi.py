"""Functions of a program by one link: a program of ours calls its own, chosen by a pattern."""

import ctypes
import os
from pathlib import Path

import pytest

from beepy import hooks, sections
from beepy.collection.load import load
from beepy.errors import AttachError
from beepy.hooks import Target
from beepy.kernel import map as maps
from beepy.kernel import program
from beepy.uapi import MapType
from tests.support import child, probed, programs
from tests.support.probed import Probed

SESSIONS = ("uprobe.session", "uprobe.session.s")
SECTIONS = ("uprobe.multi", "uprobe.multi.s", "uretprobe.multi", "uretprobe.multi.s", *SESSIONS)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return probed.compiled(tmp_path_factory.mktemp("probed"), "-O2")


def runs(section: str, target: Target, process: Probed) -> int:
    """Return how often the program ran while the process passed all its sites once."""
    hook = sections.find(section)
    assert hook
    with maps.create(MapType.ARRAY, "counter", 4, 8, 1) as counter:
        code = programs.counts(counter, process.pid)
        with program.load(
            "count",
            section,
            hook.prog_type,
            code,
            "GPL",
            flags=hook.flags,
            attach_type=hook.attach_type,
        ) as counting:
            with hooks.attach(counting, target):
                process.pass_all(1)
            seen = counter.lookup(bytes(4)) or b""
            process.pass_all(1)
            assert counter.lookup(bytes(4)) == seen
    return int.from_bytes(seen, "little")


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize(
    ("pattern", "functions"), [("hit*", 2), ("?are", 1), ("bare", 1), ("h?t_a*n", 1)]
)
def test_every_function_that_fits_is_seen(
    section: str, pattern: str, functions: int, path: Path
) -> None:
    twice = 2 if section in SESSIONS else 1
    with Probed(path) as process:
        assert runs(section, Target(f"{path}:{pattern}"), process) == functions * twice


def test_one_process_alone(path: Path) -> None:
    with Probed(path) as process, Probed(path) as other:
        assert runs("uprobe.multi", Target("hit*", pid=process.pid), process) == 2
        assert runs("uprobe.multi", Target(f"{path}:hit*", pid=other.pid), process) == 0
        assert runs("uprobe.multi", Target("hit*", binary=str(path)), process) == 2


def test_a_place_of_two_names_is_seen_once(path: Path) -> None:
    with Probed(path) as process:
        assert runs("uprobe.multi", Target(f"{path}:bare*"), process) == 1


def test_by_its_section(tmp_path: Path) -> None:
    with load(probed.built(tmp_path, "uprobe_multi")) as collection:
        found = probed.rows(collection, lambda: ctypes.CDLL(None).secure_getenv(b"NONE"))
    assert sorted([row["kind"] for row in found if row["pid"] == os.getpid()]) == [1, 2]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "uprobe.multi: expected BINARY:PATTERN, with * and ? for any characters"),
        (
            "{path}:",
            "uprobe.multi {path}:: expected BINARY:PATTERN, with * and ? for any characters",
        ),
        ("get*", "uprobe.multi get*: no binary given: expected BINARY:FUNCTION, binary or pid"),
        ("{path}:none*", "uprobe.multi {path}:none*: {path}: no function matches 'none*'"),
        ("{path}:[h]it", "uprobe.multi {path}:[h]it: {path}: no function matches '[h]it'"),
    ],
)
def test_a_missing_target_is_a_one_line_error(name: str, message: str, path: Path) -> None:
    with Probed(path) as process, pytest.raises(AttachError) as caught:
        runs("uprobe.multi", Target(name.format(path=path)), process)
    assert str(caught.value) == f"program 'count': {message.format(path=path)}"


def test_error_of_a_kernel_without_such_links(path: Path) -> None:
    """As before v6.6: BPF_LINK_CREATE answers EINVAL (seccomp says it here)."""
    child.run(
        f"""
import errno
from pathlib import Path
import pytest
from beepy import uapi
from beepy.errors import NotSupported
from beepy.hooks import Target
from beepy.sys import call
from tests.kernel.hooks.test_uprobe_multi import runs
from tests.support.probed import Probed
from tests.support.seccomp import refuse

refuse(call.numbers().bpf, errno.EINVAL, first_argument=uapi.Cmd.LINK_CREATE)
for section, since, what in (
    ("uprobe.multi", "6.6", "links"),
    ("uprobe.session", "6.13", "session links"),
):
    with Probed(Path({str(path)!r})) as process, pytest.raises(NotSupported) as caught:
        runs(section, Target({f"{path}:hit*"!r}), process)
    why = f"this kernel has no {{what}} to many places of a program"
    assert str(caught.value).endswith(f"hit*: {{why}}"), caught.value
    assert caught.value.since == since
"""
    )
