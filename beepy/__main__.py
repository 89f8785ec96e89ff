"""``python -m beepy``, and the console script."""

import gc
import signal
import sys
from types import FrameType
from typing import NoReturn


def main() -> int:
    """Run the command line and return its exit code; 130 for a signal that comes before there is anything to end."""
    try:
        gc.disable()  # reading modules makes objects, but no garbage: 7 % of the time to the first event
        signal.signal(signal.SIGTERM, _interrupt)
        from beepy.cli import app  # noqa: PLC0415 - a signal may come while it is read

        return app.main()
    except KeyboardInterrupt:
        return 130


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 - signal's own
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
