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


def test_a_warning_of_the_interpreters_end_is_still_shown() -> None:
    """Tests run the command with -W error: what is left open then fails them."""
    script = "import sys; sys.argv = ['beepy', 'version']; open('/dev/null')\n"
    script += "from beepy import __main__\nkeep = open('/dev/null')\n__main__.command()"
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", script], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert done.stdout == "0.1.0\n"
    assert "ResourceWarning: unclosed file" in done.stderr
    quiet = subprocess.run(
        [sys.executable, "-m", "beepy", "version"], check=True, capture_output=True
    )
    assert (quiet.stdout, quiet.stderr) == (b"0.1.0\n", b"")
