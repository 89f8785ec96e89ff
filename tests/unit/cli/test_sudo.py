"""The note for root on the store of the user who called sudo; test_unprivileged.py has the rest."""

import pwd
import sys
from pathlib import Path

import pytest

from beepy.cli import sudo
from beepy.errors import ImageNotFound
from beepy.oci.lookup import bundled_store
from beepy.oci.options import Options
from beepy.oci.store import Store
from tests.support import told


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Return the store of a user ``me`` who has called sudo."""
    entry = pwd.struct_passwd(("me", "x", 1000, 1000, "", str(tmp_path), "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwnam", {"me": entry}.__getitem__)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(sys, "argv", ["/opt/beepy", "run", "mine:1"])
    monkeypatch.setenv("SUDO_USER", "me")
    for name in ("BEEPY_STORAGE", "BEEPY_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    return Store(tmp_path / ".local" / "share" / "beepy" / "store")


def notes(image: str, options: Options = Options()) -> list[str]:  # noqa: B008 - a tuple
    error = ImageNotFound(f"no image '{image}'")
    sudo.advise(error, (image,), options)
    return told.notes(error)


def test_the_users_image_is_found(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert notes("mine:1") == []  # no store yet
    store.add_image("mine:1", bundled_store().get("exitsnoop").programs[0], {})
    advice = [f"me has it: sudo /opt/beepy --storage {store.path} run mine:1"]
    assert notes("mine:1") == advice
    assert notes("mine:2") == []
    assert notes("mine:1", Options(storage=Path("/x"))) == []
    monkeypatch.setenv("SUDO_USER", "nobody-of-that-name")
    assert notes("mine:1") == []
    monkeypatch.delenv("SUDO_USER")
    assert notes("mine:1") == []


def test_a_broken_store_is_not_mentioned(store: Store) -> None:
    store.path.mkdir(parents=True)
    (store.path / "oci-layout").write_text("{")
    assert notes("mine:1") == []


def test_a_user_gets_no_note(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.add_image("mine:1", bundled_store().get("exitsnoop").programs[0], {})
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert notes("mine:1") == []
