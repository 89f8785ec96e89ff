"""The commands of the README's questions, as they stand there but for root and an end."""

import re
import shlex

import pytest

from tests.support.command import ROOT, Beepy

README = (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"^\| [^|]+\? \| `sudo beepy (run .*)` \|$", README, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_question_is_asked(beepy: Beepy, command: str) -> None:
    """The interface is one that every machine has; the named process need not be running."""
    words = shlex.split(command.replace("eth0", "lo").replace("--timeout 10s", ""))
    done = beepy(*words, "--timeout", "0.2s", "--no-metrics")
    if "this kernel has no kprobes" in done.err:
        pytest.skip("this kernel has no kprobes")
    assert done.code == 0, done.err
    assert done.said[-1].startswith("beepy: ")
