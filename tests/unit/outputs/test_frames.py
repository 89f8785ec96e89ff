import time

import pytest
from zstandard import ZstdDecompressor

from beepy.outputs import frames
from beepy.outputs.frames import Frames


def plain(frame: bytes) -> bytes:
    return ZstdDecompressor().decompress(frame) if frame else b""


def test_there_is_a_frame_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    made = Frames()
    assert made.add(b"a\n") == made.add(b"b\n") == b""
    now = 101.0
    assert plain(made.add(b"c\n")) == b"a\nb\nc\n"
    assert made.add(b"d\n") == b""
    now = 102.5
    assert plain(made.add(b"")) == b"d\n"
    now = 104.0
    assert made.add(b"") == made.end() == b""
    made.add(b"e\n")
    assert plain(made.end()) == b"e\n"


def test_there_is_one_for_so_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "_MAX_FRAME", 10)
    made = Frames()
    assert made.add(b"12345") == b""
    assert plain(made.add(b"67890")) == b"1234567890"
