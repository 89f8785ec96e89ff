"""Entries outlive their maker, and only theirs are undone who are dead."""

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


def sweep(undo: Mapping[str, Callable[..., None]]) -> None:
    """Undo what dead processes left, by these functions of its kinds."""

    def undo_of(kind: str) -> Callable[..., None] | None:
        return undo.get(kind)

    journal.sweep(undo_of)


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
    sweep({"event": undone})
    assert sorted(undone.calls) == [("a b", "\udcff"), ("c",)]
    sweep({"event": undone})
    assert len(undone.calls) == 2


def test_the_living_are_left_alone(folder: Path) -> None:
    ours = journal.note("event", "ours")
    lines = ("entry = journal.note('event', 'theirs')", "print(flush=True)", "sys.stdin.read()", "entry.done()")
    with subprocess.Popen(code(folder, *lines), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        other.stdout.readline()
        undone = Undone()
        sweep({"event": undone})
        assert undone.calls == []
        assert len(list(folder.iterdir())) == 2
    ours.done()


def test_an_entry_that_was_not_finished_is_for_nothing(folder: Path) -> None:
    folder.mkdir()
    (folder / "1-cut").write_bytes(b'["event", "on')
    (folder / "1-empty").write_bytes(b"")
    sweep({})


def test_what_cannot_be_undone_is_kept(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    def fails(name: str) -> None:
        raise KernelError(f"event {name}: device or resource busy (EBUSY)", 16)

    killed(folder, "journal.note('event', 'x')", "journal.note('other', 'y\\x1b')")
    sweep({"event": fails})
    assert sorted(record.getMessage() for record in caplog.records) == [
        "journal: event x: left by a killed process: event x: device or resource busy (EBUSY)",
        r"journal: other y\x1b: left by a killed process, and not of a kind that this beepy undoes",
    ]
    undone = Undone()
    sweep({"event": undone, "other": undone})
    assert sorted(undone.calls) == [("x",), ("y\x1b",)]


def test_where_nothing_can_be_noted_it_warns(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(journal, "FOLDER", Path("/proc/beepy"))
    entry = journal.note("event", "x")
    assert "a killed beepy will leave event behind" in caplog.text
    entry.done()
    sweep({})
    assert not folder.exists()


@pytest.mark.parametrize("what", ["writable", "link", "of another user"])
def test_a_journal_of_others_is_not_written(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    """What stands there is undone as root: whoever else may write it could have anything undone."""
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    if what == "link":
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        folder.mkdir()
        folder.chmod(0o777 if what == "writable" else 0o700)
    if what == "of another user":
        if os.geteuid():
            pytest.skip("only root may give a file away")
        os.chown(folder, 65534, 65534)
    journal.note("event", "x").done()
    assert caplog.messages == [
        f"journal: {folder}: not only ours to write: a killed beepy will leave event behind",
    ]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("text", ["7", "{}", "[]", '[["kind"]]', '["kind", 7]', "null", "[" * 60_000])
def test_what_no_beepy_wrote_is_for_nothing(folder: Path, text: str) -> None:
    folder.mkdir(mode=0o700)
    (folder / "entry").write_text(text)
    (folder / "entry").chmod(0o600)
    undone = Undone()
    sweep({"kind": undone})
    assert undone.calls == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may enter a network namespace")
@pytest.mark.parametrize("what", [("tc", "", "{net}", "1", "noname", ""), ("xdp", "", "{net}", str(1 << 40), "5")])
def test_words_that_stand_for_nothing(folder: Path, caplog: pytest.LogCaptureFixture, what: tuple[str, ...]) -> None:
    there = Path("/proc/self/ns/net").stat()
    noted = tuple(word.format(net=f"{there.st_dev}:{there.st_ino}") for word in what)
    killed(folder, f"journal.note(*{noted})")
    hooks.sweep()
    assert "left by a killed process of another version of beepy: not undone" in caplog.text
    (entry,) = folder.iterdir()
    entry.unlink()


@pytest.mark.parametrize("kind", ["cgroup", "flow_dissector", "sk_reuseport", "tc", "tracefs event", "xdp"])
def test_too_few_words(folder: Path, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    killed(folder, f"journal.note({kind!r})")
    hooks.sweep()
    assert caplog.messages[0].startswith(f"journal: {kind} ")
    assert caplog.messages[0].endswith("left by a killed process of another version of beepy: not undone")
    (entry,) = folder.iterdir()
    entry.unlink()


@pytest.mark.parametrize("number", ["9999", "x"])
def test_numbers_that_stand_for_nothing(folder: Path, caplog: pytest.LogCaptureFixture, number: str) -> None:
    killed(folder, f"journal.note('kind', '{number}')")

    def undo(number: str) -> None:
        AttachType(int(number))

    sweep({"kind": undo})
    told = f"journal: kind {number}: left by a killed process of another version of beepy: not undone"
    assert caplog.messages == [told]
    (entry,) = folder.iterdir()
    entry.unlink()


def test_an_entry_of_another_version_is_kept(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    killed(folder, "journal.note('kind', 'one', 'two')")

    def undo(one: str) -> None:
        raise AssertionError(one)

    sweep({"kind": undo})
    assert "left by a killed process of another version of beepy: not undone" in caplog.text
    (entry,) = folder.iterdir()
    entry.unlink()


@pytest.mark.parametrize("where", ["folder", "entry"])
def test_what_others_may_write_is_not_believed(folder: Path, where: str) -> None:
    killed(folder, "journal.note('kind', 'x')")
    (entry,) = folder.iterdir()
    (folder if where == "folder" else entry).chmod(0o777)
    undone = Undone()
    sweep({"kind": undone})
    assert undone.calls == []
    assert entry.exists()
    entry.unlink()


def test_a_full_disk_is_a_warning(folder: Path) -> None:
    """A limit on files' sizes is what a test can fill."""
    lines = (
        "import resource",
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)",
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4, 4))",
        "import logging; logging.basicConfig(stream=sys.stdout)",
        "journal.note('kind', 'x' * 100).done()",
    )
    done = subprocess.run(code(folder, *lines), check=True, cwd=ROOT, capture_output=True, text=True)
    assert "a killed beepy will leave kind behind" in done.stdout
