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
    return lambda key: _SEPARATOR.join([symbol(frame) for frame in _frames(stacks, key)])


def user_text_of(stacks: Map, frame_of: Callable[[int, int], str]) -> Callable[[int, int], str]:
    """Return a function from a process and a stack's key to its frames, as ``text_of`` does.

    ``frame_of`` makes the text of an address of a process.
    """

    def text(pid: int, key: int) -> str:
        return _SEPARATOR.join([frame_of(pid, frame) for frame in _frames(stacks, key)])

    return text


def _frames(stacks: Map, key: int) -> list[int]:
    try:
        value = stacks.lookup((key & 0xFFFFFFFF).to_bytes(4, "little")) or b""
    except KernelError:
        return []
    count = min(len(value) // _FRAME, _MAX_FRAMES)
    return [frame for frame in struct.unpack(f"<{count}Q", value[: count * _FRAME]) if frame]
