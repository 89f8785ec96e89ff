"""The signals that end a run."""

import signal
from collections.abc import Callable
from types import FrameType
from typing import Final, NoReturn

from beepy.errors import OutputError

_LOOK: Final = 1.0  # seconds between two looks at a write
_LONGEST: Final = 1e8  # seconds, of a timer

_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def handle(handler: Callable[[int, FrameType | None], None]) -> None:
    """Let ``handler`` take them from now on; but nohup(1) lets SIGHUP be ignored, and so it stays."""
    for one in _ENDING:
        if one != signal.SIGHUP or signal.getsignal(one) != signal.SIG_IGN:
            signal.signal(one, handler)


def interrupt(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - signal's own
    """Raise KeyboardInterrupt, whatever the signal."""
    raise KeyboardInterrupt


def end_stalled_write(after: float = _LOOK) -> None:
    """From ``after`` seconds on let a write of rows fail, as OutputError, that moves nothing from one look to the next.

    A pipe that nobody reads holds the write for ever. One that is read slowly takes something in the time.
    """
    from beepy.outputs.row_writer import RowWriter  # noqa: PLC0415 - on the way to the end

    before: int | None = None

    def look(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's own
        nonlocal before
        writes = frame is not None and frame.f_code is RowWriter.write.__code__
        if writes and RowWriter.written == before:
            raise OutputError("standard output: write: nobody reads it")
        before = RowWriter.written if writes else None

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, min(after, _LONGEST), _LOOK)
