"""Whoever brings blobs and whoever removes blobs wait for each other, in turn."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from beepy import locks
from beepy.errors import StoreError
from beepy.oci.descriptor import descriptor_of
from beepy.oci.directory import Directory
from beepy.oci.lease import Lease
from beepy.oci.store import Store

Hold = Callable[[str], AbstractContextManager["subprocess.Popen[str]"]]

SCRIPT = """
import sys
from pathlib import Path
from beepy.oci.directory import Directory
from beepy.oci.lease import Lease

with getattr(Lease(Directory(Path(sys.argv[1]), "ingest"), "other"), sys.argv[2])():
    print(flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    store.add_image("x", b"\x7fELF", {})
    return store


@pytest.fixture
def hold(store: Store) -> Hold:
    """Return what starts another process that holds a side of the lease until it is closed."""

    @contextmanager
    def held(side: str) -> Iterator[subprocess.Popen[str]]:
        command = [sys.executable, "-c", SCRIPT, str(store.path), side]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout
            process.stdout.readline()
            yield process

    return held


def lease_of(store: Store) -> Lease:
    return Lease(Directory(store.path, "ingest"), "test")


def is_free(store: Store, side: str, monkeypatch: pytest.MonkeyPatch) -> bool:
    with monkeypatch.context() as patch:
        patch.setattr(locks, "PATIENCE_S", 0.0)
        try:
            with getattr(lease_of(store), side)():
                return True
        except TimeoutError:
            return False


@pytest.mark.parametrize(
    ("sides", "free"),
    [
        (("shared", "shared"), True),
        (("shared", "exclusive"), False),
        (("exclusive", "shared"), False),
        (("exclusive", "exclusive"), False),
    ],
)
def test_who_waits_for_whom(
    store: Store, hold: Hold, monkeypatch: pytest.MonkeyPatch, sides: tuple[str, str], free: bool
) -> None:
    held, wanted = sides
    with hold(held):
        assert is_free(store, wanted, monkeypatch) is free
    assert is_free(store, wanted, monkeypatch)


def test_a_killed_process_holds_nothing(
    store: Store, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hold("shared") as process:
        assert not is_free(store, "exclusive", monkeypatch)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert is_free(store, "exclusive", monkeypatch)


def test_others_come_after_who_waits_for_the_exclusive_side(
    store: Store, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else processes that hold the shared side in turn would keep it waiting for ever."""
    with hold("shared"):
        command = [sys.executable, "-c", SCRIPT, str(store.path), "exclusive"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as waiting:
            end = time.monotonic() + 60
            while is_free(store, "shared", monkeypatch):
                assert time.monotonic() < end
                time.sleep(0.01)
            waiting.kill()
    assert is_free(store, "exclusive", monkeypatch)


def test_a_write_waits_and_gives_up(
    store: Store, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = store.list()
    with hold("exclusive") as process:
        monkeypatch.setattr(locks, "PATIENCE_S", 0.0)
        name = Path(f"/proc/{process.pid}/comm").read_text(encoding="utf-8").rstrip()
        with pytest.raises(StoreError) as caught:
            store.add_image("y", b"\x7fELF2", {})
        assert str(caught.value) == (
            f"store {store.path}: locked by pid {process.pid} ({name}) for 0 s"
        )
    assert store.list() == before


def test_a_lease_within_a_lease(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with store.layout.lease():
        with store.layout.lease():
            store.tag("x", "y")
        assert not is_free(store, "exclusive", monkeypatch)
    assert is_free(store, "exclusive", monkeypatch)


def test_a_store_that_does_not_exist_is_locked_once_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "new")
    with store.layout.lease():
        assert not store.path.exists()
        store.layout.add_blob(b"x", descriptor_of(b"x"))
        assert not is_free(store, "exclusive", monkeypatch)
    assert is_free(store, "exclusive", monkeypatch)


def test_a_lease_changes_no_file(store: Store) -> None:
    before = {path: path.stat() for path in store.path.rglob("*")}
    with store.layout.lease():
        store.get("x")
    with lease_of(store).exclusive():
        pass
    after = {path: path.stat() for path in store.path.rglob("*")}
    assert {path: status.st_mtime_ns for path, status in before.items()} == {
        path: status.st_mtime_ns for path, status in after.items()
    }


def test_a_blob_looks_old(store: Store) -> None:
    """So that it is not taken for one that another program is just bringing."""
    for blob in (store.path / "blobs" / "sha256").iterdir():
        assert blob.stat().st_mtime == 0
