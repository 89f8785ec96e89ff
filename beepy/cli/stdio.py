"""Write data to stdout and everything else to stderr."""

import io
import os
import sys
from typing import Final

from beepy.errors import OutputError
from beepy.text import safe

STDIN: Final = 0
STDOUT: Final = 1
STDERR: Final = 2


def reserve_std_fds() -> None:
    """Open /dev/null as file descriptors 0 to 2 where they are closed.

    Nothing opened later gets these numbers. /dev/null is opened for reading, so writing to a
    closed stdout or stderr still fails.
    """
    while (fd := os.open(os.devnull, os.O_RDONLY)) <= STDERR:
        pass
    os.close(fd)


def escape_unencodable() -> None:
    """Escape characters that stdout's encoding lacks: names in images may be in any script."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def eprint(text: str) -> None:
    """Write a line to stderr; ignore that stderr is closed or its disk full."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
    except OSError:
        return


def write(text: str) -> None:
    """Write to stdout and flush. Raise OutputError, except for a pipe closed by its reader."""
    if sys.stdout is None:
        if text:
            raise OutputError("standard output: closed")
        return
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        redirect_to_null()
    except OSError as error:
        raise write_error(error) from error


def write_bytes(data: bytes) -> None:
    """Write bytes to stdout as they are, but on a terminal as text with unsafe characters escaped.

    Raises as ``write`` does.
    """
    if sys.stdout is None or sys.stdout.isatty():
        text = data.decode("utf-8", "backslashreplace")
        write("".join([f"{safe(line)}\n" for line in text.split("\n")]))
        return
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        redirect_to_null()
    except OSError as error:
        raise write_error(error) from error


def write_error(error: OSError) -> OutputError:
    """Return the OutputError for a failed write to stdout; later writes go to /dev/null."""
    redirect_to_null()
    return OutputError(f"standard output: write: {os.strerror(error.errno or 0).lower()}")


def redirect_to_null() -> None:
    """Redirect stdout to /dev/null: Python flushes its buffer at exit, which would fail again."""
    fd = os.open(os.devnull, os.O_WRONLY)
    os.dup2(fd, STDOUT)
    os.close(fd)
