"""Read a map of stack traces: programs store stacks there, and their keys in records."""

import struct
from collections.abc import Callable
from typing import Final

from beepy.errors import KernelError
from beepy.kernel.map import Map

_FRAME: Final = 8  # bytes
_MAX_FRAMES: Final = 127  # the kernel's default of perf_event_max_stack
_SEPARATOR: Final = "; "


def text_of(stacks: Map, symbol: Callable[[int], str] = hex) -> Callable[[int], str]:
    """Return a function from a stack's key to its frames, the innermost first.

    ``symbol`` makes the text of an address. The function returns "" for a stack that is not there:
    its key may be a negative errno, and the kernel replaces old stacks by new ones.
    """

    def text(key: int) -> str:
        try:
            value = stacks.lookup((key & 0xFFFFFFFF).to_bytes(4, "little")) or b""
        except KernelError:
            return ""
        count = min(len(value) // _FRAME, _MAX_FRAMES)
        frames = struct.unpack(f"<{count}Q", value[: count * _FRAME])
        return _SEPARATOR.join([symbol(frame) for frame in frames if frame])

    return text
