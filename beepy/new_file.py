"""Create the files that a run writes: never one that exists, never through another's link."""

import os
import re
from pathlib import Path
from typing import Final

from beepy.errors import OutputError, errno_text
from beepy.oci.ownership import refuse_others
from beepy.text import safe

PART: Final = ".part"
"""The end of the name of a file that cannot be read yet."""

_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def create(path: str) -> int:
    """Create a file and return its descriptor, which the caller owns.

    Raises OutputError if there is something of that name already, a link too; for root also if a
    directory on the way may have been made by another user, such as one in /tmp.
    """
    try:
        refuse_others(Path(path).parent, "output", OutputError, strict=0, quiet=True)
        return os.open(path, _FLAGS, 0o666)  # of which the umask takes its part
    except (OSError, ValueError) as error:
        raise failed(path, error) from None


def publish(part: str, path: str) -> None:
    """Rename a complete file; raises OutputError if there is something of the new name already."""
    try:
        try:
            os.link(part, path, follow_symlinks=False)  # rename(2) would replace what is there
        except (PermissionError, NotImplementedError):  # a file system without hard links
            os.close(os.open(path, _FLAGS, 0o600))  # what is replaced then is this empty file
            os.rename(part, path)  # noqa: PTH104 - paths as typed
        else:
            os.unlink(part)  # noqa: PTH108 - as above
    except OSError as error:
        raise failed(path, error) from None


def failed(path: str, error: OSError | ValueError) -> OutputError:
    """Return the OutputError for a file that could not be created or written."""
    number = getattr(error, "errno", None)
    return OutputError(f"{safe(path)}: {errno_text(number) if number else error}")


class Series:
    """The names of a series of files: ``STEM.0001.SUFFIX``, ``STEM.0002.SUFFIX``, ...

    They begin after the highest number of a file that there is, also of one that is not complete.
    """

    def __init__(self, stem: str, suffix: str) -> None:
        self._stem = stem
        self._suffix = suffix
        directory, _, name = stem.rpartition("/")
        known = re.compile(
            re.escape(name) + r"\.([0-9]{4,9})" + re.escape(suffix) + rf"(?:{re.escape(PART)})?"
        )
        try:
            present = os.listdir(directory or ("/" if stem.startswith("/") else "."))  # noqa: PTH208
        except OSError:  # creating the first file fails with the reason
            present = []
        numbers = [int(match[1]) for name in present if (match := known.fullmatch(name))]
        self._last = max(numbers, default=0)

    def next(self) -> str:
        """Return the next name."""
        self._last += 1
        return f"{self._stem}.{self._last:04d}{self._suffix}"
