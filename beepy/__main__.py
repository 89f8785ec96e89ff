"""``python -m beepy``, and the console script."""

import gc
import sys


def main() -> int:
    """Run the command line and return its exit code; 130 for a signal that comes before there is anything to end."""
    try:
        gc.disable()  # reading modules makes objects, but no garbage: 7 % of the time to the first event
        from beepy.cli import signals  # noqa: PLC0415 - Ctrl-C may come while it is read

        signals.handle(signals.interrupt)
        from beepy.cli import deferred  # noqa: PLC0415 - a signal may come while it is read

        deferred.defer()
        from beepy.cli import app  # noqa: PLC0415

        return app.main()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
