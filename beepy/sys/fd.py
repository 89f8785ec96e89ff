"""A file descriptor with an owner."""

import os
import warnings
from types import TracebackType
from typing import Self


class Fd:
    """Owns the descriptor ``number`` until ``close``; a context manager.

    An Fd that is garbage-collected open is reported (ResourceWarning) and never closed.
    """

    def __init__(self, number: int) -> None:
        self._number = number

    def fileno(self) -> int:
        """Return the number, which the Fd still owns. Raises ValueError after ``close``."""
        if self._number < 0:
            raise ValueError("the file descriptor is closed")
        return self._number

    def close(self) -> None:
        """Close the descriptor; a second call does nothing."""
        number, self._number = self._number, -1
        if number >= 0:
            os.close(number)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Fd({self._number})"

    def __del__(self) -> None:
        if self._number >= 0:
            warnings.warn(
                f"unclosed file descriptor {self._number}",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )
