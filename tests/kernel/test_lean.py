"""Once a run has shown its first event, it holds no more than it needs and imports nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import processes
from tests.unit.cli.test_imports import HEAVY

ROOT = Path(__file__).parents[2]

# The command itself, in a process that tells at its end what it has imported.
RUN = """
import sys
from beepy.__main__ import main
code = main()
from beepy.cli import deferred
print(*deferred.pending, file=sys.stderr)
print(*sys.modules, file=sys.stderr)
sys.exit(code)
"""


def test_a_run_imports_nothing_heavy() -> None:
    command = [
        sys.executable,
        "-c",
        RUN,
        "run",
        "exitsnoop",
        "-o",
        "json",
        "--no-metrics",
        "--count",
        "1",
    ]
    with processes():
        ran = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["map"] == "print_exits"
    *_, unread, imported = [line.split() for line in ran.stderr.splitlines()]
    found = {name.partition(".")[0] for name in imported}
    assert {"beepy", "typer"} <= found
    assert not found & {*HEAVY, "logging", "elftools"}
    assert {"pdb", "subprocess"} <= set(unread) <= found
    assert not found & {"cmd", "bdb", "_posixsubprocess"}  # which those two import


# The command, in a process that notes what it imports and opens once its programs are attached.
OPENED = """
import sys
from beepy.__main__ import main
from beepy.collection.collection import Collection
attach, noted, on = Collection.attach, [], []
def attached(self):
    attach(self)
    on.append(True)
Collection.attach = attached
def note(event, of):
    if event in ("import", "open") and on:
        noted.append((event, of[0]))
sys.addaudithook(note)
code = main()
print(*noted, file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize("output", ["json", "columns", "none"])
def test_all_is_imported_and_opened_before_it_attaches(output: str) -> None:
    """Else its own work is what is seen first."""
    command = [sys.executable, "-c", OPENED, "run", "exitsnoop", "-o", output, "--count", "1"]
    with processes():
        ran = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
    assert ran.returncode == 0, ran.stderr
    opening, closing, noted = ran.stderr.splitlines()
    assert opening.startswith("exitsnoop: ")
    assert closing.startswith("beepy: 1 shown, ")
    assert noted == ""
