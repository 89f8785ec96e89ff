"""Frames of zstd: each has a checksum, and can be read without the others (zstandard)."""

from collections.abc import Callable
from typing import Final

from beepy.errors import BeepyError

_LEVEL: Final = 1  # the fastest
_MAX_WINDOW: Final = 1 << 27  # bytes: a bound on what is allocated, whatever a frame says


def compressor() -> Callable[[bytes], bytes]:
    """Return a function that makes one frame of bytes."""
    from zstandard import ZstdCompressor  # noqa: PLC0415 - 30 ms, and few runs compress

    return ZstdCompressor(level=_LEVEL, write_checksum=True).compress


def decompress(frame: bytes, limit: int, error: type[BeepyError], where: str) -> bytes:
    """Return at most ``limit`` + 1 bytes of a frame. Raises ``error`` if it is malformed."""
    from zstandard import ZstdDecompressor, ZstdError  # noqa: PLC0415 - 30 ms

    try:
        with ZstdDecompressor(max_window_size=_MAX_WINDOW).stream_reader(frame) as reader:
            data: bytes = reader.read(limit + 1)
    except ZstdError as reason:
        raise error(f"{where}: {reason}") from None
    return data


def decompress_all(frames: bytes, limit: int, error: type[BeepyError], where: str) -> bytes:
    """Return at most ``limit`` + 1 bytes of all frames. Raises ``error`` if one is malformed."""
    from zstandard import ZstdDecompressor, ZstdError  # noqa: PLC0415 - 30 ms

    decompressor = ZstdDecompressor(max_window_size=_MAX_WINDOW)
    try:
        with decompressor.stream_reader(frames, read_across_frames=True) as reader:
            data: bytes = reader.read(limit + 1)
    except ZstdError as reason:
        raise error(f"{where}: {reason}") from None
    return data
