"""``python -m beepy``, and the console script."""

import gc
import sys


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


if __name__ == "__main__":
    sys.exit(main())
