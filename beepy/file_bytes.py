"""A file's bytes, read when they are asked for."""

import os
from typing import BinaryIO, Final

ELF_MAGIC: Final = b"\x7fELF"
"""The first bytes of an ELF file."""


class FileBytes:
    """Slices of an open file, as of ``bytes``; the descriptor stays the caller's.

    Not a mapping: whoever may write the file can cut it short, and the kernel kills (SIGBUS) who reads a mapping
    beyond its end. Here the slice ends early.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._size = os.fstat(fd).st_size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(self._size)
        pieces = []
        while start < stop and (piece := os.pread(self._fd, stop - start, start)):
            pieces.append(piece)
            start += len(piece)
        return b"".join(pieces)

    def stream(self) -> BinaryIO:
        """Return the same bytes as a file, whose position is the descriptor's."""
        return open(self._fd, "rb", closefd=False)
