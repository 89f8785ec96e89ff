"""Known events for the programs of bpf/test/: prctl(TRIGGER, op, number), under a given name."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

TRIGGER = 0xBEE
"""That of bpf/test/trigger.h."""

VARIABLE = "BEEPY_TEST_TRIGGER"
OURS = int(os.environ.get(VARIABLE, "0")) or 0x40000000 | os.getpid()
"""That of programs which ``tests.support.compiled`` compiles: of these tests, not of others.

``VARIABLE`` hands it to children.
"""

_PR_SET_NAME, _PR_GET_NAME = 15, 16
_prctl = ctypes.CDLL(None).prctl


def trigger(op: int, number: int = 0, option: int = OURS) -> None:
    """Make one event."""
    _prctl(option, ctypes.c_ulong(op), ctypes.c_ulong(number), 0, 0)


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
