"""textual's driver, drawing on standard output, where it never hangs.

textual draws on standard error, which may be a file, and waits without end for a terminal that
takes nothing (a connection that is stuck, a window that is gone).
"""

import sys
from typing import Any, cast

from textual.app import App
from textual.drivers.linux_driver import LinuxDriver

from beepy.tui.terminal_file import TerminalFile


class TerminalDriver(LinuxDriver):
    """textual's driver, drawing on standard output."""

    file: TerminalFile | None = None  # the screen's, set before its app runs

    def __init__(
        self,
        app: "App[object]",
        *,
        debug: bool = False,
        mouse: bool = True,
        size: tuple[int, int] | None = None,
    ) -> None:
        """Draw on standard output, unless the tests draw nowhere."""
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._file = cast("Any", self.file or sys.__stdout__)
