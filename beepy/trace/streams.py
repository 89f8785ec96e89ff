"""What programs write into their BPF streams, and the kernel about their faults (v6.17)."""

from collections.abc import Iterator
from typing import Final

from beepy import uapi
from beepy.errors import KernelError
from beepy.kernel.program import Program
from beepy.text import escaped
from beepy.trace.lines import Owner, TraceLine

_STREAMS: Final = (uapi.BPF_STREAM_STDOUT, uapi.BPF_STREAM_STDERR)
_MAX_READS: Final = 16  # of one round; the kernel keeps 100,000 bytes of a stream
_MAX_LINE: Final = 1 << 16  # bytes


class ProgramStreams:
    """The streams of one program, which are read line by line."""

    def __init__(self, owner: Owner, program: Program) -> None:
        self._owner = owner
        self._program = program
        self._rests = dict.fromkeys(_STREAMS, b"")  # by stream: a line that is not complete

    def read(self) -> Iterator[TraceLine]:
        """Yield the lines that are complete now."""
        for stream in tuple(self._rests):
            for _ in range(_MAX_READS):
                try:
                    data = self._program.read_stream(stream)
                except KernelError:  # this kernel has no streams
                    del self._rests[stream]
                    break
                if not data:
                    break
                *lines, rest = (self._rests[stream] + data).split(b"\n")
                if len(rest) > _MAX_LINE:
                    lines, rest = [*lines, rest], b""
                self._rests[stream] = rest
                for line in lines:
                    yield self._line(line)

    def end(self) -> Iterator[TraceLine]:
        """Yield the last line, if it is not complete."""
        for rest in self._rests.values():
            if rest:
                yield self._line(rest)
        self._rests.clear()

    def _line(self, line: bytes) -> TraceLine:
        return TraceLine(*self._owner, process="", text=escaped(line))
