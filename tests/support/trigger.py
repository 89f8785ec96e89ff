"""Known events for the programs of bpf/test/: prctl(TRIGGER, op, number), under a given name."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

TRIGGER = 0xBEE

_PR_SET_NAME, _PR_GET_NAME = 15, 16
_prctl = ctypes.CDLL(None).prctl


def trigger(op: int, number: int = 0) -> None:
    """Make one event."""
    _prctl(TRIGGER, ctypes.c_ulong(op), ctypes.c_ulong(number), 0, 0)


@contextmanager
def named(name: bytes) -> Iterator[None]:
    """Give this thread a name for a while."""
    before = ctypes.create_string_buffer(16)
    _prctl(_PR_GET_NAME, before, 0, 0, 0)
    _prctl(_PR_SET_NAME, name, 0, 0, 0)
    try:
        yield
    finally:
        _prctl(_PR_SET_NAME, before, 0, 0, 0)
