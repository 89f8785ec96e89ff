"""Rows as frames of zstd, each of which can be read without the others."""

import time
from typing import Final

from beepy import zstd

_PERIOD: Final = 1.0  # seconds between frames: what a kill loses
_MAX_FRAME: Final = 4 << 20  # bytes, not compressed


class Frames:
    """Makes frames of zstd: one a second, or for each 4 MiB; each holds whole rows."""

    def __init__(self) -> None:
        self._compress = zstd.compressor()
        self._pending: list[bytes] = []
        self._size = 0
        self._made = time.monotonic()

    def add(self, raw: bytes) -> bytes:
        """Return a frame if it is time for one, else b""."""
        if raw:
            self._pending.append(raw)
            self._size += len(raw)
        is_due = self._size >= _MAX_FRAME or time.monotonic() - self._made >= _PERIOD
        return self.end() if is_due else b""

    def end(self) -> bytes:
        """Return the frame of what is pending, b"" if nothing is."""
        self._made = time.monotonic()
        if not self._pending:
            return b""
        raw = b"".join(self._pending)
        self._pending.clear()
        self._size = 0
        return self._compress(raw)
