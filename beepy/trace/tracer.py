"""Read what programs print, in a thread of its own."""

import errno
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Final, Self, TypeAlias

from beepy import threads
from beepy.errors import KernelError, NotSupported
from beepy.hooks import trace_instance
from beepy.hooks.trace_instance import TraceInstance
from beepy.kernel.program import Program
from beepy.log import Log
from beepy.sys.fd import Fd
from beepy.text import safe
from beepy.trace.lines import Owner, TraceLine, TracePipe
from beepy.trace.streams import ProgramStreams

_log = Log(__name__)

_PERIOD_S: Final = 0.1  # streams cannot be waited for
_READ_SIZE: Final = 1 << 16
_MAX_READS: Final = 64  # of one round: who prints without end does not keep us from stopping

Print: TypeAlias = Callable[[TraceLine], None]


class Tracer:
    """Calls ``show`` with each line that the programs print, in its own thread; a context manager.

    It shows what is printed from now on, after ``start``, and ends with ``close``, which reads what
    is left. What cannot be read is reported by a warning, and what the kernel dropped at the end.
    """

    def __init__(self, programs: Sequence[tuple[Owner, Program]], show: Print) -> None:
        self._show = show
        self._stopped = threading.Event()
        self._streams = [ProgramStreams(owner, program) for owner, program in programs]
        self._instance: TraceInstance | None = None
        with ExitStack() as undo:
            self._pipe = self._open_pipe()
            undo.callback(self._close_pipe)
            owners = {
                address: owner
                for owner, program in programs
                for address in program.code_addresses()
            }
            self._events = TracePipe(owners, stacks=self._instance is not None)
            self._thread: threading.Thread | None = None
            undo.pop_all()

    def start(self) -> None:
        """Begin to show lines."""
        self._thread = threads.start(self._run, "trace")

    def _open_pipe(self) -> Fd | None:
        """Open an instance's trace_pipe, else the machine's, None if neither can be."""
        try:
            self._instance = TraceInstance()
        except NotSupported as error:
            _log.warning("trace: %s: reading the machine's trace_pipe: others miss lines", error)
        except KernelError as error:
            _log.warning("trace: what bpf_printk() prints is not shown: %s", error)
            return None
        else:
            return self._instance.pipe
        try:
            pipe = trace_instance.open_global_pipe()
        except KernelError as error:
            _log.warning("trace: what bpf_printk() prints is not shown: %s", error)
            return None
        for _ in range(_MAX_READS):  # what was printed before is not of this run
            if not _read_available(pipe):
                break
        return pipe

    def _run(self) -> None:
        while not self._stopped.wait(_PERIOD_S):
            self._read()

    def _read(self) -> None:
        """Show what there is."""
        for line in self._lines():
            self._show(line)

    def _lines(self) -> Iterator[TraceLine]:
        if self._pipe:
            for _ in range(_MAX_READS):
                data = _read_available(self._pipe)
                yield from self._events.add(data)
                if not data:
                    yield from self._events.drained()
                    break
        for streams in self._streams:
            yield from streams.read()

    def close(self) -> None:
        """Stop, show what is left, and remove the instance."""
        self._stopped.set()
        if self._thread:
            self._thread.join()
        with ExitStack() as steps:
            steps.callback(self._close_pipe)
            self._read()
            for line in self._events.end():
                self._show(line)
            for streams in self._streams:
                for line in streams.end():
                    self._show(line)
            if self._events.lost:
                # an event and its stack are two
                _log.warning("trace: up to %d lines lost", self._events.lost)

    def _close_pipe(self) -> None:
        if self._instance is None:
            if self._pipe:
                self._pipe.close()
            return
        try:
            self._instance.close()
        except KernelError as error:
            _log.warning("%s: the next start tries again", error)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _read_available(pipe: Fd) -> bytes:
    """Return what a pipe has now, b"" if nothing."""
    try:
        return os.read(pipe.fileno(), _READ_SIZE)
    except BlockingIOError:
        return b""
    except OSError as error:
        _log.warning("trace: trace_pipe: %s", safe(os.strerror(error.errno or errno.EIO)))
        return b""
