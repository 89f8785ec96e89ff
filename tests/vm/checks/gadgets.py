"""Gadgets that attach to kprobes, under ig and under beepy.

Not in TABLE: they have a guest of their own, with ig and the gadgets' archives.
"""

import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Final

from tests.support.command import Beepy
from tests.support.gadget_peers import Peers
from tests.vm.checks.check import OBJECTS, Check

KPROBES: Final = ("trace_exec", "trace_bind", "trace_link", "top_file")
_SECONDS: Final = 600  # an emulated processor starts ig in minutes


def _compared(name: str) -> str:
    Path("/etc/group").write_text("root:x:0:\n")  # ig names no users without groups
    with tempfile.TemporaryDirectory() as home:
        beepy = Beepy(Path(home), {"PYTHONPATH": os.environ["PYTHONPATH"]})
        Peers(str(OBJECTS / "ig"), OBJECTS, beepy).check_stream(name)
    return "yes"


CHECKS: Final = {
    name: Check(f"ig, {name}", partial(_compared, name), seconds=_SECONDS) for name in KPROBES
}
"""Gadget -> its check."""
