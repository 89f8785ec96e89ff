"""Entries outlive their maker, and only theirs are undone who are dead."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from beepy.errors import KernelError
from beepy.hooks import journal

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(journal, "FOLDER", tmp_path / "beepy")
    yield tmp_path / "beepy"
    assert list((tmp_path / "beepy").glob("*")) == []


def code(folder: Path, *lines: str) -> list[str]:
    """Return the command of a process that has its own journal in ``folder``."""
    imports = ("import os, signal, sys", "from pathlib import Path", "from beepy.hooks import journal")
    return [sys.executable, "-c", "\n".join((*imports, f"journal.FOLDER = Path({str(folder)!r})", *lines))]


def killed(folder: Path, *lines: str) -> None:
    """Run them in a process that is killed at its end."""
    command = code(folder, *lines, "os.kill(os.getpid(), signal.SIGKILL)")
    assert subprocess.run(command, check=False, cwd=ROOT).returncode == -9


class Undone:
    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []

    def __call__(self, *what: str) -> None:
        self.calls.append(what)


def test_what_is_done_is_struck_out(folder: Path) -> None:
    entry = journal.note("event", "one")
    assert len(list(folder.iterdir())) == 1
    entry.done()
    assert list(folder.iterdir()) == []
    entry.done()


def test_a_killed_process_is_cleaned_up_after(folder: Path) -> None:
    killed(
        folder, "journal.note('event', 'a b', '\\udcff')", "journal.note('event', 'c')", "journal.note('event').done()"
    )
    undone = Undone()
    journal.sweep({"event": undone})
    assert sorted(undone.calls) == [("a b", "\udcff"), ("c",)]
    journal.sweep({"event": undone})
    assert len(undone.calls) == 2


def test_the_living_are_left_alone(folder: Path) -> None:
    ours = journal.note("event", "ours")
    lines = ("entry = journal.note('event', 'theirs')", "print(flush=True)", "sys.stdin.read()", "entry.done()")
    with subprocess.Popen(code(folder, *lines), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        other.stdout.readline()
        undone = Undone()
        journal.sweep({"event": undone})
        assert undone.calls == []
        assert len(list(folder.iterdir())) == 2
    ours.done()


def test_an_entry_that_was_not_finished_is_for_nothing(folder: Path) -> None:
    folder.mkdir()
    (folder / "1-cut").write_bytes(b'["event", "on')
    (folder / "1-empty").write_bytes(b"")
    journal.sweep({})


def test_what_cannot_be_undone_is_kept(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    def fails(name: str) -> None:
        raise KernelError(f"event {name}: device or resource busy (EBUSY)", 16)

    killed(folder, "journal.note('event', 'x')", "journal.note('other', 'y\\x1b')")
    journal.sweep({"event": fails})
    assert sorted(record.getMessage() for record in caplog.records) == [
        "journal: event x: left by a killed process: event x: device or resource busy (EBUSY)",
        r"journal: other y\x1b: left by a killed process, and not of a kind that this beepy undoes",
    ]
    undone = Undone()
    journal.sweep({"event": undone, "other": undone})
    assert sorted(undone.calls) == [("x",), ("y\x1b",)]


def test_where_nothing_can_be_noted_it_warns(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(journal, "FOLDER", Path("/proc/beepy"))
    entry = journal.note("event", "x")
    assert "a killed beepy will leave event behind" in caplog.text
    entry.done()
    journal.sweep({})
    assert not folder.exists()
