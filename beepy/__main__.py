"""``python -m beepy``, and the console script."""

import gc
import os
import sys
from contextlib import suppress
from typing import NoReturn


def main() -> int:
    """Return the command line's exit code; 130 after a signal before anything is attached."""
    try:
        # Imports make many objects and no garbage: 7 % of the time to a run's first event was
        # spent on collections. cli.session enables them again.
        gc.disable()
        from beepy.cli import signals  # noqa: PLC0415 - Ctrl-C may come during imports

        signals.handle(signals.interrupt)
        from beepy.cli import deferred  # noqa: PLC0415 - after the handler is installed

        deferred.defer()
        from beepy.cli import app  # noqa: PLC0415 - as above

        return app.main()
    except KeyboardInterrupt:
        return 130


def command() -> NoReturn:
    """Run the command line, and end the process with its exit code.

    Everything is closed by then. The interpreter's own end would take one part in twenty of the
    time of a short run; with -W or -X dev it still comes, and warns of what was left open.
    """
    code = main()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # its reader is gone: that was reported
            if stream:  # None: it was closed when the process started
                stream.flush()
    if sys.warnoptions or sys.flags.dev_mode:
        sys.exit(code)
    os._exit(code)


if __name__ == "__main__":
    command()
