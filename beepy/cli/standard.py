"""The standard streams: data on stdout, all else on stderr."""

import io
import os
import sys
from typing import Final

from beepy.errors import OutputError

STDOUT: Final = 1
STDERR: Final = 2
_WIDTH: Final = 80  # characters, of a terminal that does not say


def reserve() -> None:
    """Keep the numbers 0 to 2 from what is opened later, where somebody closed them; writing there fails."""
    while (number := os.open(os.devnull, os.O_RDONLY)) <= 2:
        pass
    os.close(number)


def show_all() -> None:
    """Write as an escape what the locale's encoding lacks: an image's words come in any script."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Write a line on stderr; a stderr that is closed or full is no reason to fail."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
    except OSError:
        return


def write(text: str) -> None:
    """Write on stdout at once; a reader that went away is no failure. Raises OutputError for every other one."""
    if sys.stdout is None:
        if text:
            raise OutputError("standard output: closed")
        return
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        discard()
    except OSError as error:
        raise failed(error) from error


def terminal_width(fd: int = STDOUT) -> int | None:
    """Return how many characters a line of ``fd`` holds (COLUMNS, if set, says it), None if it is no terminal."""
    if not os.isatty(fd):
        return None
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        return int(given)
    try:
        return os.get_terminal_size(fd).columns or _WIDTH
    except OSError:  # it has gone
        return _WIDTH


def failed(error: OSError) -> OutputError:
    """Return what a failed write on stdout is; nothing more is written there."""
    discard()
    return OutputError(f"standard output: write: {os.strerror(error.errno or 0).lower()}")


def discard() -> None:
    """Let what is still written on stdout go nowhere: Python writes what it holds once more at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, STDOUT)
    os.close(nowhere)
