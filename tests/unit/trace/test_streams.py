"""Streams become lines. What the kernel writes into them needs Linux 6.17."""

from typing import cast

from beepy.errors import KernelError
from beepy.kernel.program import Program
from beepy.trace.lines import Owner
from beepy.trace.streams import ProgramStreams

OWNER = Owner("image", "say")


class Written:
    """What a program wrote into its two streams, as it is read."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = {1: list(pieces), 2: [b"error\n"]}

    def read_stream(self, stream: int) -> bytes:
        if stream not in self.pieces:
            raise KernelError("program 'say': stream", 22)
        return self.pieces[stream].pop(0) if self.pieces[stream] else b""


def streams(written: Written) -> ProgramStreams:
    return ProgramStreams(OWNER, cast("Program", written))


def test_lines_are_complete() -> None:
    written = Written(b"one\ntw", b"o\n\nthr")
    ours = streams(written)
    assert [line.text for line in ours.read()] == ["one", "two", "", "error"]
    written.pieces[1].append(b"ee")
    assert list(ours.read()) == []
    assert list(ours.end()) == [(*OWNER, "", "three")]
    assert list(ours.end()) == []


def test_a_kernel_without_streams_is_asked_once() -> None:
    written = Written()
    ours = streams(written)
    written.pieces.clear()
    assert list(ours.read()) == []
    written.pieces[1] = [b"too late\n"]
    assert list(ours.read()) == []


def test_a_line_is_bounded() -> None:
    found = [line.text for line in streams(Written(*[b"a" * 10_000] * 8)).read()]
    assert [len(text) for text in found] == [70_000, 5]
