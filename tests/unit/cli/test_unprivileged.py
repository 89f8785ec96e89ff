"""The notes below an error caused by missing privilege."""

import sys
from collections.abc import Callable
from errno import EACCES, EINVAL, EPERM
from pathlib import Path

import pytest

from beepy.cli import unprivileged
from beepy.errors import BeepyError, ImageError, KernelError, RelocationError, VerifierError
from beepy.kernel import privilege
from beepy.oci.lookup import bundled_store
from beepy.oci.options import Options, bee_dir, default_storage
from beepy.oci.store import Store
from tests.support import told

BPF, PERFMON, SYS_ADMIN, READ = 1 << 39, 1 << 38, 1 << 21, 1 << 2
WITH = "or as a user with these capabilities (docs/privileges.md):"
NAMED = f"{WITH} CAP_BPF, CAP_DAC_READ_SEARCH, CAP_PERFMON"
AS_ROOT = "run it as root: sudo /opt/beepy run exitsnoop"


@pytest.fixture
def become(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Return a function that fakes this process's effective capabilities and user."""

    def become(effective: int, user: int) -> None:
        (tmp_path / "status").write_text(f"Name:\tx\nCapEff:\t{effective:016x}\n")
        (tmp_path / "last").write_text("40\n")
        monkeypatch.setattr(privilege, "_STATUS", tmp_path / "status")
        monkeypatch.setattr(privilege, "_LAST", tmp_path / "last")
        monkeypatch.setattr("os.geteuid", lambda: user)

    monkeypatch.setattr(sys, "argv", ["/opt/beepy", "run", "exitsnoop"])
    for name in ("BEEPY_STORAGE", "BEEPY_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    return become


def notes(error: BeepyError, *images: str) -> list[str]:
    unprivileged.advise(error, images or ("exitsnoop",), Options())
    return told.notes(error)


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Store:
    """Return this user's store, in a home of its own, with the image ``mine:1``."""
    monkeypatch.setenv("HOME", str(tmp_path / "my home"))
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    store = Store(default_storage())
    store.add_image("mine:1", bundled_store().get("exitsnoop").programs[0], {})
    return store


@pytest.mark.parametrize(
    ("effective", "user", "expected"),
    [
        (0, 1000, [AS_ROOT, NAMED]),
        (BPF, 1000, [AS_ROOT, NAMED]),
        (BPF | PERFMON, 1000, [AS_ROOT, NAMED]),
        (BPF | PERFMON | READ, 1000, [AS_ROOT]),  # something else forbids it
        (PERFMON, 0, [NAMED]),  # a container's root
        (BPF | PERFMON | READ, 0, []),
        (SYS_ADMIN | READ, 1000, []),
    ],
)
def test_the_notes_depend_on_capabilities_and_user(
    effective: int, user: int, expected: list[str], become: Callable[[int, int], None]
) -> None:
    become(effective, user)
    assert notes(KernelError("btf: load: operation not permitted (EPERM)", EPERM)) == expected


@pytest.mark.parametrize(
    ("error", "advised"),
    [
        (KernelError("x", EINVAL), False),
        (VerifierError("x", EACCES), False),
        (VerifierError("helper y: needs CAP_PERFMON", EACCES), True),
        (RelocationError("x"), False),
        (RelocationError("/proc/kallsyms hides its address: needs CAP_SYSLOG"), True),
        (BeepyError("x"), False),
    ],
    ids=str,
)
def test_only_missing_privilege_gets_notes(
    error: BeepyError, advised: bool, become: Callable[[int, int], None]
) -> None:
    become(0, 1000)
    assert bool(notes(error)) == advised


def test_a_missing_image_is_not_pulled_for_the_notes(become: Callable[[int, int], None]) -> None:
    become(0, 1000)
    _, note = notes(KernelError("x", EPERM), "127.0.0.1:1/x/y:1")
    assert (
        note == "or as a user with the capabilities that it needs: beepy describe 127.0.0.1:1/x/y:1"
    )


@pytest.mark.parametrize(
    ("images", "has_storage"),
    [
        (["mine:1"], True),
        (["exitsnoop", "mine:1"], True),
        (["exitsnoop"], False),
        (["mine:1", "127.0.0.1:1/x/y:1"], False),  # root would pull it into the user's store
        (["mine:1", "bees:1"], False),  # --storage names one store only
    ],
)
def test_root_is_told_the_store_that_has_the_images(
    images: list[str],
    has_storage: bool,
    become: Callable[[int, int], None],
    stored: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = bundled_store().get("opensnoop").programs[0]
    Store(bee_dir() / "store").add_image("bees:1", program, {})
    become(0, 1000)
    monkeypatch.setattr(sys, "argv", ["/opt/beepy", "run", "--", *images])
    storage = f"--storage '{stored.path}' " if has_storage else ""
    command = f"/opt/beepy {storage}run -- {' '.join(images)}"
    assert notes(KernelError("x", EPERM), *images)[0] == f"run it as root: sudo {command}"


@pytest.mark.usefixtures("stored")
def test_a_store_that_is_given_is_not_added(become: Callable[[int, int], None]) -> None:
    become(0, 1000)
    error = KernelError("x", EPERM)
    unprivileged.advise(error, ("mine:1",), Options(default_storage()))
    assert told.notes(error)[0] == AS_ROOT


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("mine", "no image 'mine': did you mean mine:1?"),
        ("./nosuch.o", "./nosuch.o: no such file"),
        ("Wrong:1", "reference 'Wrong:1': repository: upper case is not allowed"),
    ],
)
def test_an_image_that_is_nowhere_comes_before_the_privilege(
    image: str, expected: str, become: Callable[[int, int], None]
) -> None:
    """Root would be refused it too."""
    become(0, 1000)
    with pytest.raises(ImageError) as caught:
        notes(KernelError("x", EPERM), "exitsnoop", image)
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["/x/bin/beepy", "run", "a b", "-f", "m,f,x|y"], "/x/bin/beepy run 'a b' -f 'm,f,x|y'"),
        (["/x/beepy/__main__.py", "run", "x"], f"{sys.executable} -m beepy run x"),
        (["/x/beepy", "-u", "me", "-p", "secret", "run", "x"], "/x/beepy -u me -p ... run x"),
        (["/x/beepy", "run", "x", "-psecret"], "/x/beepy run x -p..."),
        (["/x/beepy", "run", "x", "-p=secret"], "/x/beepy run x -p=..."),
        (
            ["/x/beepy", "run", "x", "--password=secret", "--pid=1"],
            "/x/beepy run x --password=... --pid=1",
        ),
        (
            ["/x/beepy", "run", "x", "--password", "secret", "-p"],
            "/x/beepy run x --password ... -p",
        ),
    ],
)
def test_the_command_can_be_typed(
    arguments: list[str],
    command: str,
    become: Callable[[int, int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    become(0, 1000)
    monkeypatch.setattr(sys, "argv", arguments)
    assert notes(KernelError("x", EPERM))[0] == f"run it as root: sudo {command}"


def test_a_relative_path_becomes_a_full_one(
    become: Callable[[int, int], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    become(0, 1000)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["bin/beepy", "run"])
    monkeypatch.setenv("BEEPY_STORAGE", "my store")
    assert notes(KernelError("x", EPERM))[0] == (
        f"run it as root: sudo env 'BEEPY_STORAGE=my store' {tmp_path}/bin/beepy run"
    )
