"""`make run` as a user, and through sudo: what it leaves in a checkout belongs to the user."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDED = ("Makefile", ".ci", "pyproject.toml", "README.md", "LICENSE", "bpf", "beepy", "images")
NOBODY = 65534
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
# A Python below /root is not for users.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
USABLE = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))"


@pytest.fixture
def checkout() -> Iterator[Path]:
    """Yield a copy of this checkout that belongs to nobody, where nobody can enter it."""
    for program in ("make", "setpriv"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        top.chmod(0o755)
        path = top / "beepy"
        path.mkdir()
        for entry in NEEDED:
            if (source := ROOT / entry).is_dir():
                shutil.copytree(source, path / entry, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, path)
        for found in (path, *path.rglob("*")):
            os.chown(found, NOBODY, NOBODY)
        yield path


def run(checkout: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command there, with pip's settings and the proxy's, which sudo may keep too."""
    kept = {
        name: text
        for name, text in os.environ.items()
        if name.startswith("PIP_") or name.endswith("_proxy")
    }
    env = {**kept, "PATH": PATH, **variables}
    return subprocess.run(
        command, cwd=checkout, env=env, check=False, capture_output=True, text=True, timeout=280
    )


@pytest.mark.parametrize(
    ("given", "typed"),
    [
        ((), "sudo make run"),
        (
            ("IMAGE=opensnoop", "ARGS=-o columns"),
            "sudo make run IMAGE='opensnoop' ARGS='-o columns'",
        ),
    ],
)
def test_run_as_a_user_says_sudo_before_it_installs(
    checkout: Path, given: tuple[str, ...], typed: str
) -> None:
    done = run(checkout, *AS_NOBODY, "make", "run", *given)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == f"make run: needs root: {typed}"
    assert not done.stdout
    assert not (checkout / ".venv").exists()


def test_what_run_makes_through_sudo_is_the_users(checkout: Path) -> None:
    if run(checkout, *AS_NOBODY, "python3", "-c", USABLE).returncode:
        pytest.skip(f"no Python of 3.11 or newer, with venv, in {PATH}")
    sudo = {"SUDO_UID": str(NOBODY), "SUDO_GID": str(NOBODY), "HOME": "/root"}
    done = run(checkout, "make", "run", "ARGS=--timeout 0.1s", **sudo)
    if "No matching distribution found" in done.stderr:
        pytest.skip("pip reaches no package index")
    assert done.returncode == 0, done.stderr
    assert "beepy: " in done.stderr
    assert [path for path in checkout.rglob("*") if path.lstat().st_uid != NOBODY] == []
    assert run(checkout, *AS_NOBODY, "make", "--question", ".venv/.run").returncode == 0
    assert (
        "exitsnoop"
        in run(checkout, *AS_NOBODY, ".venv/bin/beepy", "list", HOME="/nonexistent").stdout
    )


def test_without_an_index_the_last_line_is_ours(checkout: Path) -> None:
    if run(checkout, "python3", "-c", USABLE).returncode:
        pytest.skip(f"no Python of 3.11 or newer, with venv, in {PATH}")
    done = run(checkout, "make", "run", PIP_NO_INDEX="1")
    assert done.returncode == 2
    *pips, ours, _ = done.stderr.splitlines()  # the last is make's
    assert pips[0] == "installing beepy into .venv"
    assert ours.startswith(
        "beepy could not be installed: pip's reason is above; "
        "it needs the packages in pyproject.toml"
    )
    assert not (checkout / ".venv" / ".run").exists()


def test_a_venv_that_is_anothers_is_told(checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    done = run(checkout, *AS_NOBODY, "make", ".venv/.dev")
    assert (
        done.stderr.splitlines()[0] == ".venv: belongs to another user: sudo make clean removes it"
    )
    assert not done.stdout
