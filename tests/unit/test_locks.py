import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from beepy import locks
from beepy.errors import StoreError
from beepy.oci.store import Store

HOLD = """
import fcntl, os, sys
fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)
print(flush=True)
sys.stdin.read()
"""
PROGRAM = b"\x7fELF" + bytes(100)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    store.add_image("x", PROGRAM, {})
    return store


@pytest.fixture
def other(store: Store) -> Iterator[subprocess.Popen[str]]:
    """Start another process, which has locked the store until its input ends."""
    command = [sys.executable, "-c", HOLD, str(store.path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        process.stdout.readline()
        yield process
        if process.stdin:
            process.stdin.close()


def test_a_long_wait_is_reported(
    store: Store,
    other: subprocess.Popen[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def let_go(_seconds: float) -> None:
        if caplog.messages and other.stdin:
            other.stdin.close()
            other.stdin = None
        pause(0.01)

    pause = time.sleep
    monkeypatch.setattr(time, "sleep", let_go)
    store.tag("x", "y")
    assert store.names() == ("x", "y")
    name = Path(f"/proc/{os.getpid()}/comm").read_text(encoding="utf-8").rstrip()
    assert caplog.messages == [
        f"store {store.path}: waiting for pid {other.pid} ({name}), which has locked it"
    ]


def test_a_wait_times_out(
    store: Store, other: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "PATIENCE_S", 0.1)
    with pytest.raises(
        StoreError, match=rf"^store {store.path}: locked by pid {other.pid} \(.*\) for 0.1 s$"
    ):
        store.tag("x", "y")
    assert store.names() == ("x",)
    assert store.get("x").programs == (PROGRAM,)  # reading needs no lock


def test_a_free_lock_is_taken_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    with (tmp_path / "file").open("rb") as file:
        assert locks.wait(file.fileno(), "file") == ""
    assert not caplog.messages
