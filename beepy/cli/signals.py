"""The signals that end a run."""

import signal
from collections.abc import Callable
from types import FrameType
from typing import Final, NoReturn

_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def handle(handler: Callable[[int, FrameType | None], None]) -> None:
    """Let ``handler`` take them from now on; but nohup(1) lets SIGHUP be ignored, and so it stays."""
    for one in _ENDING:
        if one != signal.SIGHUP or signal.getsignal(one) != signal.SIG_IGN:
            signal.signal(one, handler)


def interrupt(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - signal's own
    """Raise KeyboardInterrupt, whatever the signal."""
    raise KeyboardInterrupt
