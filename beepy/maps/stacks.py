"""Read a map of stack traces: programs store stacks there, and their keys in records."""

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from beepy.errors import KernelError
from beepy.kernel.map import Map
from beepy.uapi import MapFlag

_FRAME: Final = 8  # bytes
_BUILD_ID: Final = struct.Struct("<i20sQ")  # struct bpf_stack_build_id
_VALID, _ADDRESS = 1, 2  # enum bpf_stack_build_id_status; 0 is the end
_MAX_FRAMES: Final = 127  # the kernel's default of perf_event_max_stack
_SEPARATOR: Final = "; "


def text_of(stacks: Map, symbol: Callable[[int], str] = hex) -> Callable[[int], str]:
    """Return a function from a stack's key to its frames, the innermost first.

    ``symbol`` makes the text of an address. A map of build ids (BPF_F_STACK_BUILD_ID) has frames
    such as ``BUILDID+0x1234``, with the offset in the file. The function returns "" for a stack
    that is not there: its key may be a negative errno, and the kernel replaces old stacks by new
    ones.
    """
    frames_of = _reader(stacks)

    def text(key: int) -> str:
        frames = frames_of(key)
        return _SEPARATOR.join([f if isinstance(f, str) else symbol(f) for f in frames])

    return text


def user_text_of(stacks: Map, frame_of: Callable[[int, int], str]) -> Callable[[int, int], str]:
    """Return a function from a process and a stack's key to its frames, as ``text_of`` does.

    ``frame_of`` makes the text of an address of a process.
    """
    frames_of = _reader(stacks)

    def text(pid: int, key: int) -> str:
        frames = frames_of(key)
        return _SEPARATOR.join([f if isinstance(f, str) else frame_of(pid, f) for f in frames])

    return text


def _reader(stacks: Map) -> Callable[[int], Sequence[int | str]]:
    """Return a function from a key to frames: addresses, or texts of files and offsets."""
    has_build_ids = bool(stacks.info().map_flags & MapFlag.STACK_BUILD_ID)

    def frames(key: int) -> Sequence[int | str]:
        try:
            value = stacks.lookup((key & 0xFFFFFFFF).to_bytes(4, "little")) or b""
        except KernelError:
            return []
        if has_build_ids:
            return list(_of_build_ids(value))
        count = min(len(value) // _FRAME, _MAX_FRAMES)
        return [frame for frame in struct.unpack(f"<{count}Q", value[: count * _FRAME]) if frame]

    return frames


def _of_build_ids(value: bytes) -> Iterator[int | str]:
    size = min(len(value) // _BUILD_ID.size, _MAX_FRAMES) * _BUILD_ID.size
    for status, identity, offset in _BUILD_ID.iter_unpack(value[:size]):
        if status == _VALID:
            yield f"{identity.hex()}+{offset:#x}"
        elif status == _ADDRESS:
            yield offset
        else:
            return
