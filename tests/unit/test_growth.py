"""Adding one thing touches one place: a row is added to each table, and works everywhere.

The rows of other tables are added where their rooms are tested.
"""

import subprocess
import sys

from tests.support.command import ROOT

_OUTPUT = """
import os, sys
from beepy import outputs

class Names:
    def __init__(self, fd):
        self.fd = fd

    def open(self, decoders):
        os.write(self.fd, f"{len(decoders)} maps\\n".encode())

    def write(self, batch):
        pass

    def close(self):
        os.write(self.fd, b"closed\\n")

outputs.TABLE["names"] = outputs.Output(make=lambda fd, options: Names(fd))
sys.argv = ["beepy", *sys.argv[1:]]
from beepy.cli import app
sys.exit(app.main())
"""


def with_an_output(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _OUTPUT, *arguments]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)


def test_an_output_is_in_the_help() -> None:
    assert "[json|columns|wide|none|names]" in with_an_output("run", "--help").stdout


def test_an_output_is_in_the_message_for_another_one() -> None:
    refused = with_an_output("run", "exitsnoop", "-o", "xml")
    assert refused.returncode == 2
    assert "'xml' is not one of 'json', 'columns', 'wide', 'none', 'names'" in refused.stderr
