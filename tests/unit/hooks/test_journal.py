"""Journal entries outlive their process, and only those of dead processes are swept."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from beepy import hooks
from beepy.errors import KernelError
from beepy.hooks import journal
from beepy.uapi import AttachType

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(journal, "DIRECTORY", tmp_path / "beepy")
    yield tmp_path / "beepy"
    assert list((tmp_path / "beepy").glob("*")) == []


def code(directory: Path, *lines: str) -> list[str]:
    """Return the command of a process that has its own journal in ``directory``."""
    imports = (
        "import os, signal, sys",
        "from pathlib import Path",
        "from beepy.hooks import journal",
    )
    return [
        sys.executable,
        "-c",
        "\n".join((*imports, f"journal.DIRECTORY = Path({str(directory)!r})", *lines)),
    ]


def killed(directory: Path, *lines: str) -> None:
    """Run lines of code in a process that then kills itself."""
    command = code(directory, *lines, "os.kill(os.getpid(), signal.SIGKILL)")
    assert subprocess.run(command, check=False, cwd=ROOT).returncode == -9


def sweep(undo: Mapping[str, Callable[..., None]]) -> None:
    """Sweep the journal with these cleanup functions, by kind."""

    def cleanup_for(kind: str) -> Callable[..., None] | None:
        return undo.get(kind)

    journal.sweep(cleanup_for)


class Undone:
    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []

    def __call__(self, *what: str) -> None:
        self.calls.append(what)


def test_a_removed_entry_has_no_file(directory: Path) -> None:
    entry = journal.add("event", "one")
    assert len(list(directory.iterdir())) == 1
    entry.remove()
    assert list(directory.iterdir()) == []
    entry.remove()


def test_a_killed_process_s_entries_are_swept(directory: Path) -> None:
    killed(
        directory,
        "journal.add('event', 'a b', '\\udcff')",
        "journal.add('event', 'c')",
        "journal.add('event').remove()",
    )
    undone = Undone()
    sweep({"event": undone})
    assert sorted(undone.calls) == [("a b", "\udcff"), ("c",)]
    sweep({"event": undone})
    assert len(undone.calls) == 2


def test_entries_of_running_processes_are_kept(directory: Path) -> None:
    ours = journal.add("event", "ours")
    lines = (
        "entry = journal.add('event', 'theirs')",
        "print(flush=True)",
        "sys.stdin.read()",
        "entry.remove()",
    )
    with subprocess.Popen(
        code(directory, *lines), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        other.stdout.readline()
        undone = Undone()
        sweep({"event": undone})
        assert undone.calls == []
        assert len(list(directory.iterdir())) == 2
    ours.remove()


def test_an_incomplete_entry_is_removed(directory: Path) -> None:
    directory.mkdir()
    (directory / "1-cut").write_bytes(b'["event", "on')
    (directory / "1-empty").write_bytes(b"")
    sweep({})
    assert [*directory.iterdir()] == []


def test_an_entry_is_kept_if_its_cleanup_fails(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(name: str) -> None:
        raise KernelError(f"event {name}: device or resource busy (EBUSY)", 16)

    killed(directory, "journal.add('event', 'x')", "journal.add('other', 'y\\x1b')")
    sweep({"event": fails})
    assert sorted(record.getMessage() for record in caplog.records) == [
        "journal: event x: left by a killed process: event x: device or resource busy (EBUSY)",
        r"journal: other y\x1b: left by a killed process: unknown kind, not undone",
    ]
    undone = Undone()
    sweep({"event": undone, "other": undone})
    assert sorted(undone.calls) == [("x",), ("y\x1b",)]


def test_a_journal_that_cannot_be_written_is_a_warning(
    directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(journal, "DIRECTORY", Path("/proc/beepy"))
    entry = journal.add("event", "x")
    assert "a killed beepy will leave event behind" in caplog.text
    entry.remove()
    sweep({})
    assert not directory.exists()


@pytest.mark.parametrize("what", ["writable", "link", "of another user"])
def test_a_journal_that_others_may_write_is_not_used(
    directory: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    """Cleanup runs as root: whoever can write entries could have anything detached."""
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    if what == "link":
        directory.symlink_to(tmp_path / "elsewhere")
    else:
        directory.mkdir()
        directory.chmod(0o777 if what == "writable" else 0o700)
    if what == "of another user":
        if os.geteuid():
            pytest.skip("only root may give a file away")
        os.chown(directory, 65534, 65534)
    journal.add("event", "x").remove()
    why = "owned or writable by another user: a killed beepy will leave event behind"
    assert caplog.messages == [f"journal: {directory}: {why}"]
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["7", "{}", "[]", '[["kind"]]', '["kind", 7]', "null", "[" * 60_000]
)
def test_an_entry_of_another_form_is_removed(directory: Path, text: str) -> None:
    directory.mkdir(mode=0o700)
    (directory / "entry").write_text(text)
    (directory / "entry").chmod(0o600)
    undone = Undone()
    sweep({"kind": undone})
    assert undone.calls == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may enter a network namespace")
@pytest.mark.parametrize(
    "what", [("tc", "", "{net}", "1", "noname", ""), ("xdp", "", "{net}", str(1 << 40), "5")]
)
def test_arguments_that_no_cleanup_takes(
    directory: Path, caplog: pytest.LogCaptureFixture, what: tuple[str, ...]
) -> None:
    there = Path("/proc/self/ns/net").stat()
    noted = tuple(word.format(net=f"{there.st_dev}:{there.st_ino}") for word in what)
    killed(directory, f"journal.add(*{noted})")
    hooks.sweep()
    assert "left by a killed process of another version of beepy: not undone" in caplog.text
    (entry,) = directory.iterdir()
    entry.unlink()


@pytest.mark.parametrize(
    "kind", ["cgroup", "flow_dissector", "sk_reuseport", "tc", "tracefs event", "xdp"]
)
def test_too_few_arguments(directory: Path, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    killed(directory, f"journal.add({kind!r})")
    hooks.sweep()
    assert caplog.messages[0].startswith(f"journal: {kind} ")
    assert caplog.messages[0].endswith(
        "left by a killed process of another version of beepy: not undone"
    )
    (entry,) = directory.iterdir()
    entry.unlink()


@pytest.mark.parametrize("number", ["9999", "x"])
def test_an_unknown_number_is_kept(
    directory: Path, caplog: pytest.LogCaptureFixture, number: str
) -> None:
    killed(directory, f"journal.add('kind', '{number}')")

    def undo(number: str) -> None:
        AttachType(int(number))

    sweep({"kind": undo})
    told = (
        f"journal: kind {number}: left by a killed process of another version of beepy: not undone"
    )
    assert caplog.messages == [told]
    (entry,) = directory.iterdir()
    entry.unlink()


def test_an_entry_of_another_version_is_kept(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    killed(directory, "journal.add('kind', 'one', 'two')")

    def undo(one: str) -> None:
        raise AssertionError(one)

    sweep({"kind": undo})
    assert "left by a killed process of another version of beepy: not undone" in caplog.text
    (entry,) = directory.iterdir()
    entry.unlink()


@pytest.mark.parametrize("where", ["directory", "entry"])
def test_an_entry_that_others_may_write_is_ignored(directory: Path, where: str) -> None:
    killed(directory, "journal.add('kind', 'x')")
    (entry,) = directory.iterdir()
    (directory if where == "directory" else entry).chmod(0o777)
    undone = Undone()
    sweep({"kind": undone})
    assert undone.calls == []
    assert entry.exists()
    entry.unlink()


def test_a_full_disk_is_a_warning(directory: Path) -> None:
    """The limit of file sizes acts as a full disk."""
    lines = (
        "import resource",
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)",
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4, 4))",
        "import logging; logging.basicConfig(stream=sys.stdout)",
        "journal.add('kind', 'x' * 100).remove()",
    )
    done = subprocess.run(
        code(directory, *lines), check=True, cwd=ROOT, capture_output=True, text=True
    )
    assert "a killed beepy will leave kind behind" in done.stdout
