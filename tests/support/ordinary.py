"""Run a command as an ordinary user with some capabilities, in copies of Python and this checkout.

``python -P tests/support/ordinary.py CAPABILITIES COMMAND...`` needs root and a mount namespace of
its own: a directory above Python or the checkout that other users may not enter (/root is one) is
replaced there by an empty one that shows nothing but these. tracefs is mounted, if it is not, as a
machine mounts it.
"""

import ctypes
import os
import stat
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

NOBODY = 65534
_ROOT = Path(__file__).resolve().parents[2]
_TRACEFS = Path("/sys/kernel/tracing")
_MS_BIND, _MS_REC = 0x1000, 0x4000


def prefix(capabilities: Iterable[str]) -> tuple[str, ...]:
    """Return the prefix of a command, which also gives it a private network namespace."""
    from tests.support import apart  # as a script this file imports nothing of ours

    return (
        *apart.command("--net"),
        sys.executable,
        "-P",
        __file__,
        ",".join(name.removeprefix("CAP_").lower() for name in capabilities),
    )


def _reach(paths: Iterable[Path]) -> None:
    """Let other users reach these directories."""
    hidden: dict[Path, list[tuple[Path, int]]] = {}
    for path in sorted({path.resolve() for path in paths}):
        closed = next(
            (one for one in reversed(path.parents) if not one.stat().st_mode & stat.S_IXOTH), None
        )
        if closed:
            hidden.setdefault(closed, []).append((path, os.open(path, os.O_PATH | os.O_DIRECTORY)))
    libc = ctypes.CDLL(None, use_errno=True)
    for closed, shown in hidden.items():
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", closed], check=True)
        for path, number in shown:
            path.mkdir(parents=True, exist_ok=True)
            source = f"/proc/self/fd/{number}".encode()
            if libc.mount(
                source, os.fsencode(path), None, ctypes.c_ulong(_MS_BIND | _MS_REC), None
            ):
                raise OSError(ctypes.get_errno(), "mount", str(path))


def main(capabilities: str, *command: str) -> None:
    """Become the user, and the command."""
    _reach([Path(sys.base_prefix), Path(sys.prefix), _ROOT])
    if not (_TRACEFS / "events").is_dir():
        subprocess.run(["mount", "-t", "tracefs", "tracefs", _TRACEFS], check=True)
    given = "".join(f",+{name}" for name in capabilities.split(",") if name)
    user = ["--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
    allowed = [f"--{each}=-all{given}" for each in ("ambient-caps", "inh-caps", "bounding-set")]
    os.execvp("setpriv", ["setpriv", *user, *allowed, "--", *command])


if __name__ == "__main__":
    main(*sys.argv[1:])
