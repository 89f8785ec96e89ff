"""Signal handlers: SIGINT, SIGTERM and SIGHUP end a run, SIGALRM ends a write that is stuck.

A module of its own because ``__main__`` installs the first handler before it imports anything else.
"""

import signal
from collections.abc import Callable
from types import FrameType
from typing import Final, NoReturn

from beepy.errors import OutputError

_CHECK_INTERVAL: Final = 1.0  # seconds
_MAX_TIMER: Final = 1e8  # seconds that setitimer(2) takes everywhere

END_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What ends a run, or the catalogue."""


def handle(handler: Callable[[int, FrameType | None], None]) -> None:
    """Install ``handler`` for the signals that end a run; keep a SIGHUP that nohup(1) ignores."""
    for number in END_SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def interrupt(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - signal's own
    """Raise KeyboardInterrupt, whatever the signal."""
    raise KeyboardInterrupt


def end_stalled_write(after_s: float = _CHECK_INTERVAL) -> None:
    """Check every second, from ``after_s`` seconds on, and end a write of rows that is stuck.

    A write to a pipe blocks as long as nobody reads it. If it has written nothing since the last
    check it raises OutputError; a slow reader takes at least something in that time.
    """
    from beepy.outputs.row_writer import RowWriter  # noqa: PLC0415 - on the way to the end

    written_before: int | None = None  # None: there was no write in progress

    def check(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's own
        nonlocal written_before
        # the handler runs on top of the frame that the signal interrupted: is that the write?
        is_writing = frame is not None and frame.f_code is RowWriter.write_bytes.__code__
        if is_writing and RowWriter.written == written_before:
            raise OutputError("standard output: write: nobody reads it")
        written_before = RowWriter.written if is_writing else None

    signal.signal(signal.SIGALRM, check)
    signal.setitimer(signal.ITIMER_REAL, min(after_s, _MAX_TIMER), _CHECK_INTERVAL)


def end_checks() -> None:
    """Check no more: at the interpreter's end a SIGALRM would kill the process."""
    signal.setitimer(signal.ITIMER_REAL, 0)
