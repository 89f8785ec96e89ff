"""Run a piece of Python in a process of its own, where it may change what only a process has."""

import subprocess
import sys
from pathlib import Path

from tests.support import apart

ROOT = Path(__file__).parents[2]


def run(code: str, *, mounts: bool = False) -> str:
    """Run ``code``, which must not fail or warn; return its output.

    ``mounts`` gives it a private mount namespace.
    """
    command = [sys.executable, "-W", "error", "-c", code]
    if mounts:
        command = [*apart.command(), *command]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr, done.stderr
    return done.stdout
