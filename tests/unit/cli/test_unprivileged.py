"""The notes below an error caused by missing privilege."""

import sys
from collections.abc import Callable
from errno import EACCES, EINVAL, EPERM
from pathlib import Path

import pytest

from beepy.cli import unprivileged
from beepy.errors import BeepyError, KernelError, RelocationError, VerifierError
from beepy.kernel import privilege
from beepy.oci.options import Options
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
