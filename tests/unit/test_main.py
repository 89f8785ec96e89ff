"""What comes before there is a command line."""

import subprocess
import sys

import pytest

INTERRUPTED = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
from beepy.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize(
    "module", ["beepy.cli", "beepy.cli.signals", "beepy.cli.deferred", "beepy.cli.app"]
)
def test_an_interrupt_while_modules_are_read_is_quiet(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, module], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
