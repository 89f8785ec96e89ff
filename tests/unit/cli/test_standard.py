import os
import pty
import termios

import pytest

from beepy.cli.standard import terminal_width


def test_the_width_is_that_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 200))
    assert terminal_width(theirs) == 200
    monkeypatch.setenv("COLUMNS", "100")
    assert terminal_width(theirs) == 100
    monkeypatch.delenv("COLUMNS")
    termios.tcsetwinsize(theirs, (0, 0))  # a serial line
    assert terminal_width(theirs) == 80
    os.close(ours)
    os.close(theirs)


def test_a_pipe_has_no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    reader, writer = os.pipe()
    assert terminal_width(writer) is None
    os.close(reader)
    os.close(writer)
