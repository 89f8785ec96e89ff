"""The machine that runs the tests, as a guest: checks in private mounts and a private network."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from shutil import which
from typing import Final

from tests.support import apart
from tests.vm.apt import Unavailable
from tests.vm.contents import PROJECT
from tests.vm.machine import Ran

_LIMIT: Final = 600.0  # seconds: other tests may run at the same time
_START: Final = """\
ip link set lo up
[ -e /sys/kernel/tracing/events ] || mount -t tracefs tracefs /sys/kernel/tracing
exec "$0" -m tests.vm.guest
"""


def run(asked: Sequence[str], objects: Path | None, folder: Path) -> Ran:
    """Run the checks of these names; ``folder`` takes temporary files. Raise Unavailable."""
    if lacking := apart.missing() or ("" if which("ip") else "not installed: ip"):
        raise Unavailable(lacking)
    home = folder / "here"
    home.mkdir()
    (home / "checks").write_text("\n".join(asked))
    if objects:
        (home / "objects").symlink_to(objects)
    command = [*apart.command("--net"), "sh", "-c", _START, sys.executable]
    environment = {**os.environ, "BEEPY_TEST_HERE": str(home), "PYTHONPATH": str(PROJECT)}
    began = time.monotonic()
    try:
        ended = subprocess.run(
            command,
            check=False,
            cwd=PROJECT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_LIMIT,
        )
        told, why = ended.stdout, ended.stderr
    except subprocess.TimeoutExpired as error:
        told, why = (error.stdout or b"").decode(), f"ended after {_LIMIT:.0f} s"
    lines = [json.loads(line) for line in told.splitlines() if line.endswith("}")]
    return Ran(lines, why, time.monotonic() - began, 0.0)
