"""A terminal that a sink writes to: a real one, and what a screen would show of it."""

import os
import pty
import re
import termios
import threading
from types import TracebackType
from typing import Final, Self

from wcwidth import wcwidth

_TOKEN: Final = re.compile(r"\x1b\[(\d*)([A-Za-z])|(.)", re.DOTALL)
_MARK: Final = "\x05"
_PATIENCE: Final = 60.0  # seconds; a test that waits longer has failed


class Screen:
    """A terminal of that size after some output; ``wrapped`` counts lines that were too long."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.wrapped = 0
        self._lines: list[str] = [""]  # with what has scrolled away
        self._row = 0

    def feed(self, text: str) -> None:
        for number, command, character in _TOKEN.findall(text):
            if command == "A":
                top = max(len(self._lines) - self.height, 0)
                self._row = max(self._row - int(number), top)
            elif command == "J":
                del self._lines[self._row + 1 :]
                self._lines[self._row] = ""
            elif command:
                raise AssertionError(f"escape sequence {command!r}")
            elif character == "\n":
                self._row += 1
                if self._row == len(self._lines):
                    self._lines.append("")
            elif character != "\r":
                self._put(character)

    def _put(self, character: str) -> None:
        assert character.isascii() or wcwidth(character) >= 0, f"character {character!r}"
        assert character >= " ", f"character {character!r}"
        line = self._lines[self._row] + character
        if (len(line) if line.isascii() else sum(map(wcwidth, line))) > self.width:
            self.wrapped += 1
            self.feed("\n")
            line = character
        self._lines[self._row] = line

    @property
    def lines(self) -> list[str]:
        """Return its lines, without an empty first (a block's) or last one (the cursor's)."""
        shown = self._lines[max(len(self._lines) - self.height, 0) :]
        return shown[not shown[0] : len(shown) - (not shown[-1])]

    @property
    def all_lines(self) -> list[str]:
        """The same with what has scrolled away."""
        return self._lines[not self._lines[0] : -1]


class Terminal:
    """A pseudo-terminal; ``fd`` is the end to write to, ``written`` what came out of the other."""

    def __init__(self, width: int = 80, height: int = 24) -> None:
        self._ours, self.fd = pty.openpty()
        self.written = ""
        self._changed = threading.Condition()
        self.resize(width, height)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def resize(self, width: int, height: int) -> None:
        self._screen, self._fed = Screen(width, height), 0  # what it has shown of ``written``
        termios.tcsetwinsize(self.fd, (height, width))

    def screen(self) -> Screen:
        """Show all that was written up to now."""
        text = self.text()
        self._screen.feed(text[self._fed :])
        self._fed = len(text)
        return self._screen

    def text(self) -> str:
        """Return what was written up to now."""
        os.write(self.fd, _MARK.encode())
        with self._changed:
            assert self._changed.wait_for(lambda: _MARK in self.written, _PATIENCE)
            self.written = self.written.replace(_MARK, "")
            return self.written

    def until(self, text: str) -> None:
        """Wait until that was written."""
        with self._changed:
            assert self._changed.wait_for(lambda: text in self.written, _PATIENCE), self.written

    def _read(self) -> None:
        raw = b""
        while True:
            try:
                raw += os.read(self._ours, 1 << 16)
            except OSError:  # nobody has the other end any more
                return
            text = raw.decode(errors="ignore")
            raw = raw[len(text.encode()) :]
            with self._changed:
                self.written += text
                self._changed.notify_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self.fd)
        self._thread.join()
        os.close(self._ours)
