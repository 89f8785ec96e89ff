"""Mounts of a command's own: they go with it, and nobody else sees them."""

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

_UNSHARE: Final = ("unshare", "--mount", "--propagation", "private")
_MOUNT_POINT: Final = 4  # its field in /proc/PID/mountinfo: proc_pid_mountinfo(5)


def command(*options: str) -> list[str]:
    """Return a command's prefix, with ``options`` of unshare(1); skip the test where it fails."""
    if why := missing():
        import pytest  # guests have none

        pytest.skip(why)
    return [*_UNSHARE, *options]


@cache
def missing() -> str:
    """Return why no command can have mounts of its own here, "" if it can."""
    if not shutil.which("unshare"):
        return "not installed: unshare"
    done = subprocess.run([*_UNSHARE, "true"], check=False, capture_output=True, text=True)
    if done.returncode == 0:
        return ""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    if all(line.split()[_MOUNT_POINT] != "/" for line in mounts):
        return "no mounts of a test's own: / is no mount point, as in a chroot"
    return f"no mounts of a test's own: {done.stderr.strip()}"
