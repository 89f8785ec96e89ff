"""The sizes of tests: what `make soak` repeats, and what `make peers` collects."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def collected(*arguments: str, **variables: str) -> tuple[int, str]:
    """Return pytest's exit code, and its last line: how many were collected."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--collect-only",
        "-q",
        "-p",
        "no:cacheprovider",
        *arguments,
    ]
    env = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("BEEPY_", "PYTEST_"))
    }
    done = subprocess.run(
        command, cwd=ROOT, env=env | variables, check=False, capture_output=True, text=True
    )
    return done.returncode, done.stdout.splitlines()[-1].partition(" in ")[0]


def test_soak_repeats_what_kills() -> None:
    arguments = ("-m", "soak", "tests/kernel/test_killed.py")
    assert collected(*arguments) == (pytest.ExitCode.OK, "10 tests collected")
    assert collected(*arguments, BEEPY_SOAK="50") == (pytest.ExitCode.OK, "500 tests collected")


def test_a_peer_that_is_not_here_is_not_asked(tmp_path: Path) -> None:
    arguments = ("-m", "peer", "tests/registry/test_bee.py")
    nothing = (pytest.ExitCode.NO_TESTS_COLLECTED, "no tests collected (2 deselected)")
    assert collected(*arguments, PATH=str(tmp_path)) == nothing
    (tmp_path / "bee").touch(mode=0o755)
    assert collected(*arguments, PATH=str(tmp_path)) == (pytest.ExitCode.OK, "2 tests collected")
