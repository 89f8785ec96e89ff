"""Run a command line as a user types it until it shows a row or is attached (for ``ghcr.py``).

``typed.py FOLDER LINE EVENT`` puts the line into a shell, makes the event again and again until a
row is shown, and ends the run with SIGINT. It prints how that ended, as JSON. Without an event it
waits until a program is attached. FOLDER/bin is first on the shell's PATH; its ``beepy`` leaves the
pid of a run in FOLDER/pid.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.support import exits
from tests.support.command import PATIENCE, ROOT, Running
from tests.support.exits import Exit
from tests.support.trigger import trigger

OPEN = "printf node > /proc/self/comm; : < /etc/hostname"

EVENTS: Mapping[str, Callable[[], object]] = {
    "": lambda: None,
    "exit": lambda: exits.fork([Exit(b"bash", 7), Exit(b"other", 8)]),
    "open": lambda: subprocess.run(["sh", "-c", OPEN], check=True),
    "connect": lambda: trigger(0x01010101),
}

SUDOERS = """\
Defaults !env_reset, !secure_path, !fqdn, !syslog
root ALL=(ALL:ALL) ALL
"""


def command(folder: Path) -> None:
    """Put ``beepy`` on PATH and into FOLDER, and ``sudo``, which keeps the environment."""
    path = folder / "bin" / "beepy"
    path.parent.mkdir()
    lines = [
        "#!/bin/sh",
        f'[ "$1" != run ] || echo $$ > {shlex.quote(str(folder / "pid"))}',
        f"export PYTHONPATH={shlex.quote(str(ROOT))}",
        f'exec {shlex.quote(sys.executable)} -m beepy "$@"',
    ]
    path.write_text("".join([f"{line}\n" for line in lines]))
    path.chmod(0o755)
    (folder / "beepy").symlink_to(path)
    if Path("/etc/sudoers").exists():
        rules = folder / "sudoers"
        rules.write_text(SUDOERS)
        rules.chmod(0o440)
        subprocess.run(["mount", "--bind", rules, "/etc/sudoers"], check=True)
    else:
        stand_in = folder / "bin" / "sudo"
        stand_in.write_text('#!/bin/sh\nexec "$@"\n')
        stand_in.chmod(0o755)


def attached(pid: str) -> bool:
    """Return whether the process has a BPF link."""
    try:
        return any(
            "link_type:" in info.read_text() for info in Path(f"/proc/{pid}/fdinfo").iterdir()
        )
    except OSError:  # one that was closed meanwhile, or all of them
        return False


def main(folder: Path, line: str, event: str) -> None:
    command(folder)
    env = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    deadline = time.monotonic() + PATIENCE
    pid = folder / "pid"
    pause = threading.Event()
    with Running(["bash", "-c", line], env) as running:
        while running.process.poll() is None:
            assert time.monotonic() < deadline, (running.out, running.err)
            run = pid.read_text().strip() if pid.exists() else ""
            if run and (b"\n" in running.out if event else attached(run)):
                os.kill(int(run), signal.SIGINT)
                break
            EVENTS[event]()
            pause.wait(0.05)
        done = running.wait()
    print(json.dumps(done._asdict()))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
