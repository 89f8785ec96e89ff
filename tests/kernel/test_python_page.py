"""The examples of docs/python.md, docs/cost.md and of the README, as they stand there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import ROOT, environment

_EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = {
    name: (ROOT / name).read_text() for name in ("README.md", "docs/python.md", "docs/cost.md")
}
EXAMPLES = [
    pytest.param(
        example, id=f"{name}:{PAGES[name][: PAGES[name].index(example)].count(chr(10)) + 1}"
    )
    for name in PAGES
    for example in _EXAMPLE.findall(PAGES[name])
]
BUSY = "while :; do python3 -c 'pass'; cat /etc/hostname >/dev/null; done"


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_runs(example: str, tmp_path: Path) -> None:
    """Something happens meanwhile: processes end, files are opened."""
    command = [sys.executable, "-W", "error", "-c", example]
    with subprocess.Popen(
        ["bash", "-c", BUSY], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as busy:
        try:
            ran = subprocess.run(
                command,
                env=environment(tmp_path),
                check=False,
                capture_output=True,
                text=True,
                timeout=100,
            )
        finally:
            busy.kill()
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_readmes_example_is_three_lines() -> None:
    (example,) = _EXAMPLE.findall(PAGES["README.md"])
    assert len([line for line in example.splitlines() if line]) == 3
