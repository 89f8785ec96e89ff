"""Bars appear on a terminal after a second, and nowhere else."""

import os
import pty
import subprocess
import sys
import termios
from contextlib import suppress

import pytest

from tests.support.command import ROOT

SCRIPT = """
import sys
from beepy.cli import progress
from beepy.oci.descriptor import Descriptor

progress._AFTER_S = float(sys.argv[1])
title = {"org.opencontainers.image.title": "[red]evil\\x1b[31m"}
blobs = [Descriptor("", "sha256:" + "a" * 64, 1000), Descriptor("", "sha256:x", 500, title)]
with progress.bars("push") as report:
    for blob in blobs if report else ():
        for done in range(0, blob.size + 1, 100):
            report(blob, done)
    if report and "rich" in sys.modules:
        report.__self__._display.refresh()
print("rich" in sys.modules, report is None)
"""


def shown(after_s: float, *, terminal: bool = True) -> tuple[str, str]:
    """Return what is shown on stderr, and the line on stdout."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    ran = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(after_s)],
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=theirs if terminal else subprocess.DEVNULL,
        text=True,
    )
    os.close(theirs)
    err = b""
    with suppress(OSError):  # EIO: the other end is closed
        while chunk := os.read(ours, 1 << 16):
            err += chunk
    os.close(ours)
    out, _ = ran.communicate()
    assert ran.returncode == 0, err
    return err.decode(), out.strip()


def test_bars_on_a_terminal() -> None:
    err, out = shown(0)
    assert out == "True False"
    assert "push sha256:aaaaaaaaaaaa" in err
    assert r"push [red]evil\x1b[31m" in err
    assert "1.0/1.0 kB" in err
    assert "\x1b[31m" not in err


@pytest.mark.parametrize(("after_s", "terminal"), [(1e9, True), (0, False)])
def test_nothing_is_shown_or_imported(after_s: float, terminal: bool) -> None:
    assert shown(after_s, terminal=terminal) == ("", f"False {not terminal}")
