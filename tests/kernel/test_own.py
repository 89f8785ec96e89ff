"""beepy is not seen in its own output."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from beepy.kernel import own_pid
from tests.kernel.test_run import rows
from tests.support import pids
from tests.support.command import Beepy

pytestmark = pytest.mark.kernel


def test_the_number_that_programs_know_us_by() -> None:
    assert own_pid.own_pid() == pids.seen()


def test_it_is_asked_of_a_program_where_we_are_in_a_namespace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("beepy.host.pids.INITIAL", 0)
    assert own_pid.own_pid() == pids.seen()


@pytest.mark.usefixtures("same_pids")
@pytest.mark.parametrize("namespace", [(), ("unshare", "--pid", "--fork")])
def test_its_own_rows_are_left_out_and_counted(beepy: Beepy, namespace: tuple[str, ...]) -> None:
    """It opens files while it attaches the later ones of six programs."""
    if namespace and not shutil.which(namespace[0]):
        pytest.skip(f"{namespace[0]} is not installed")
    with beepy._replace(prefix=namespace).start("-v", "run", "opensnoop", "-o", "json") as running:
        running.until_attached(6)
        ours = running.process.pid if not namespace else only_child(running.process.pid)
        Path("/etc/hostname").read_bytes()
        running.until(lambda: b"/etc/hostname" in running.out)
        os.kill(ours, signal.SIGINT)
        done = running.wait()
    found = {row["pid"] for row in rows(done)}
    assert os.getpid() in found
    assert ours not in found
    assert " of beepy's own left out, " in done.said[-1]


def only_child(pid: int) -> int:
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)
