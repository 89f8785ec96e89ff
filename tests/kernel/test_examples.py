"""The bundled images that this kernel can attach: each shows a provoked event.

Guests try all of them.
"""

import os
from pathlib import Path

import pytest

from tests.vm.checks import examples
from tests.vm.checks.command import Run

HERE = ("tcplife", "activeconn", "runqlat", "xdpcount", "bashreadline")
CHECKS = {check.name: check for check in examples.CHECKS}


@pytest.mark.usefixtures("same_pids")
@pytest.mark.parametrize("name", HERE)
def test_shows_its_event(name: str) -> None:
    if name == "bashreadline" and not Path("/bin/bash").exists():
        pytest.skip("there is no /bin/bash")
    assert CHECKS[name].run() == "yes"


def test_biolatency_shows_a_write(tmp_path: Path) -> None:
    """It needs a disk that answers requests; a guest has none."""
    if not any(Path("/sys/block").glob("*/queue")):
        pytest.skip("there is no disk")
    with Run("biolatency", "-o", "json", "-v", "--no-metrics") as run:
        run.attached(2)
        file = os.open(tmp_path / "written", os.O_WRONLY | os.O_CREAT)
        os.write(file, bytes(1 << 16))
        os.fsync(file)
        os.close(file)
        row = run.row(lambda row: row["op"] == "W")
    assert row["le"] > 0
