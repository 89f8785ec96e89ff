"""What root trusts, others may not write."""

import base64
import json
import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from beepy.errors import BeepyError, RegistryError, StoreError, UsageError
from beepy.oci import auth, lookup, ownership
from beepy.oci import policy as policies
from beepy.oci.options import Options
from beepy.oci.reference import parse
from beepy.oci.store import Store

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: files are given away")

PROGRAM = b"\x7fELF" + bytes(600)
NOBODY = pwd.getpwnam("nobody")


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give every test a home below /tmp that others may enter."""
    ownership._warn.cache_clear()
    for name in (
        "DOCKER_CONFIG",
        "REGISTRY_AUTH_FILE",
        "XDG_RUNTIME_DIR",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
    ):
        monkeypatch.delenv(name, raising=False)
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        (Path(name) / "home").mkdir()
        monkeypatch.setenv("HOME", f"{name}/home")
        yield Path(name, "home")


@pytest.fixture
def store(home: Path) -> Store:
    store = Store(home / ".local" / "share" / "beepy" / "store")
    store.add_image("mine:1", PROGRAM, {})
    return store


def give(*paths: Path) -> None:
    for path in paths:
        os.chown(path, NOBODY.pw_uid, NOBODY.pw_gid)


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o1777])
@pytest.mark.parametrize("part", [".", "index.json"])
def test_a_store_that_others_may_write_is_refused(store: Store, mode: int, part: str) -> None:
    path = store.path / part
    path.chmod(mode)
    for use in (
        store.names,
        lambda: store.get("mine:1"),
        lambda: store.add_image("other:1", PROGRAM + b"x", {}),
    ):
        with pytest.raises(StoreError) as caught:
            use()
        assert str(caught.value) == f"store {store.path}: {path}: writable by others"
        assert caught.value.__notes__ == [f"chmod go-w {path}"]
    path.chmod(mode & ~0o022)
    assert store.get("mine:1").programs == (PROGRAM,)


@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_a_link_that_another_user_put_into_a_directory_for_all(home: Path, mode: int) -> None:
    """It may lead to root's own files, of which he chooses one."""
    policy = home / "policy.toml"
    policy.write_text('store = "accept"\n')
    shared = home / "shared"
    shared.mkdir()
    shared.chmod(mode)
    link = shared / "policy.toml"
    link.symlink_to(policy)
    assert policies.read(link).rules
    os.lchown(link, NOBODY.pw_uid, NOBODY.pw_gid)
    with pytest.raises(UsageError) as caught:
        policies.read(link)
    assert str(caught.value) == f"policy: {link}: owned by nobody, who may have created it"


def test_a_refused_store_hides_no_bundled_image(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    store.path.chmod(0o777)
    assert lookup.find("exitsnoop").format == "bee"
    assert caplog.messages == [f"store {store.path}: {store.path}: writable by others"]
    with pytest.raises(StoreError, match="writable by others"):
        lookup.find("mine:1", Options(storage=store.path))


@pytest.mark.parametrize("depth", [0, 1, 4])
def test_the_home_of_another_user_is_told(
    store: Store, caplog: pytest.LogCaptureFixture, depth: int
) -> None:
    """As some sudo leaves it: the owner of a parent directory can replace the store."""
    owned = (store.path, *store.path.parents)[depth]
    give(owned)
    assert lookup.find("mine:1").programs == (PROGRAM,)
    assert lookup.find("mine:1").programs == (PROGRAM,)
    assert caplog.messages == [
        f"store {store.path}: {owned}: owned by nobody, who can change it",
    ]


def test_a_directory_on_the_way_that_everybody_may_write_is_told(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    store.path.parent.chmod(0o777)
    assert store.names() == ("mine:1",)
    assert caplog.messages == [f"store {store.path}: {store.path.parent}: writable by everybody"]
    store.path.parent.chmod(0o1777)  # as /tmp: only owners may rename and remove
    caplog.clear()
    assert Store(store.path).names() == ("mine:1",)
    assert not caplog.messages


def test_a_store_that_somebody_put_into_tmp(home: Path, store: Store) -> None:
    (home / ".local").chmod(0o1777)
    give(home / ".local" / "share")
    with pytest.raises(
        StoreError, match=r"/\.local/share: owned by nobody, who may have created it$"
    ):
        store.names()


def test_who_is_not_root_refuses_nothing(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.path.chmod(0o775)
    os.seteuid(NOBODY.pw_uid)
    try:
        assert store.names() == ("mine:1",)
        assert not caplog.messages
        os.seteuid(0)
        store.path.chmod(0o777)
        os.seteuid(NOBODY.pw_uid)
        assert store.names() == ("mine:1",)
        assert caplog.messages == [f"store {store.path}: {store.path}: writable by everybody"]
    finally:
        os.seteuid(0)


def test_the_bundled_images_are_as_good_as_the_program(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Store(home / "images").add_image("x", PROGRAM, {})
    (home / "images").chmod(0o777)
    give(home)
    assert Store(home / "images", is_ours=True).names() == ("x",)
    assert not caplog.messages


def log_in(path: Path) -> Path:
    path.parent.mkdir()
    path.write_text(
        json.dumps({"auths": {"reg.example": {"auth": base64.b64encode(b"me:secret").decode()}}})
    )
    return path


@pytest.mark.parametrize("how", ["home", "flag"])
def test_credentials_that_others_may_write_are_refused(home: Path, how: str) -> None:
    """They can name a program that root then runs."""
    path = log_in(home / ".docker" / "config.json")
    path.chmod(0o664)
    options = Options(configs=(path,)) if how == "flag" else Options()
    with pytest.raises(RegistryError) as caught:
        auth.find(parse("reg.example/x:1"), options)
    assert str(caught.value) == f"credentials: {path}: writable by others"
    assert caught.value.__notes__ == [f"chmod go-w {path}"]
    assert isinstance(caught.value, BeepyError)


def test_the_credentials_of_another_user_are_told(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    give(home)
    assert auth.find(parse("reg.example/x:1"), Options()) is None
    assert not caplog.messages  # there are none
    log_in(home / ".docker" / "config.json")
    found = auth.find(parse("reg.example/x:1"), Options())
    assert found is not None
    assert found.username == "me"
    assert caplog.messages == [f"credentials: {home}: owned by nobody, who can change it"]
