"""The bytes of a file, read on demand."""

import os
from typing import BinaryIO, Final

ELF_MAGIC: Final = b"\x7fELF"
"""The first bytes of an ELF file."""


class FileBytes:
    """Slices an open file as if it were ``bytes``; the caller owns the descriptor ``fd``.

    This does not use mmap: if another process truncates the file, reading a mapping beyond the new
    end kills the reader with SIGBUS. Here the slice is shorter instead.
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
        """Return the bytes as a binary file, which shares the position of the descriptor."""
        return open(self._fd, "rb", closefd=False)
