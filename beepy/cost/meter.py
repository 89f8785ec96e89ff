"""Measure what programs cost while they run, in a thread of its own."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple, Self, TypeAlias

from beepy import threads
from beepy.cost.schedule import SUSTAINED_S, Schedule
from beepy.errors import KernelError, OverheadError
from beepy.events.costs import Cost, ProgramCost
from beepy.events.stats import RunStats
from beepy.kernel import run_time
from beepy.kernel.program import Program
from beepy.kernel.run_time import RunTime
from beepy.log import Log
from beepy.sys.fd import Fd

_log = Log(__name__)


class Measured(NamedTuple):
    """A program of an image."""

    image: str
    program: Program


Shed: TypeAlias = Callable[[float, RunStats], bool]
"""Lets programs run less often, if the share of a CPU is too large; False if it cannot."""


class Meter:
    """Measures from ``start`` to ``stop``; a context manager.

    If the programs take more than ``bound`` of one CPU for some time, or cannot be measured any
    more, they are detached and ``check`` raises; but ``shed`` is called after each window, and as
    long as it returns True they go on. Where runs cannot be counted at all, this raises
    KernelError if there is a bound; else the cost is unknown.

    It is a thread of its own, as the one that shows rows may be waiting for who reads them.
    """

    def __init__(
        self, programs: Sequence[Measured], bound: float | None, shed: Shed | None = None
    ) -> None:
        self._programs = programs
        self._bound = bound
        self._shed = shed
        self._stats = RunStats()
        self._detach: Callable[[], None] = _nothing
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._statistics: Fd | None = None
        self._counts = [RunTime()] * len(programs)  # in all windows
        self._counted_s = 0.0
        self._began = (0.0, 0.0)  # monotonic time, CPU time of this process
        self._failure: KernelError | OverheadError | None = None
        self._unknown = ""
        try:
            self._statistics = run_time.enable()
        except KernelError as error:
            if bound is not None:
                raise
            self._unknown = str(error)
            _log.info("what programs cost is unknown: %s", error)

    def watch(self, stats: RunStats, detach: Callable[[], None]) -> None:
        """Set where the cost is kept, ``stats.cost``, and what detaches the programs.

        ``detach`` is called in the meter's thread.
        """
        self._stats, self._detach = stats, detach

    def start(self) -> None:
        """Begin to measure, as the programs are attached."""
        self._began = time.monotonic(), time.process_time()
        self._tell()
        if self._unknown:
            return
        self._thread = threads.start(self._measure, "cost")

    def stop(self) -> None:
        """End the last window, without waiting; called when the programs are detached."""
        self._stopped.set()

    def check(self) -> None:
        """Raise OverheadError if the bound was exceeded, KernelError if measuring failed."""
        if self._failure:
            raise self._failure

    def close(self) -> None:
        """Stop, and wait for the thread."""
        self.stop()
        if self._thread:
            self._thread.join()
            self._tell()
        self._disable()

    def _measure(self) -> None:
        schedule = Schedule(self._bound)
        try:
            while (pause_s := self._window(schedule)) is not None:
                if not pause_s:
                    continue
                self._disable()
                if self._stopped.wait(pause_s):
                    return
                self._statistics = run_time.enable()
        except KernelError as error:
            self._fail(error)

    def _window(self, schedule: Schedule) -> float | None:
        """Count for a window, and return the pause after it; None: this was the last one."""
        began, before = time.monotonic(), self._read()
        stopped = self._stopped.wait(schedule.window_s)
        seconds, after = time.monotonic() - began, self._read()
        windows = [
            RunTime(new.ns - old.ns, new.runs - old.runs)
            for old, new in zip(before, after, strict=True)
        ]
        self._counts = [
            RunTime(total.ns + window.ns, total.runs + window.runs)
            for total, window in zip(self._counts, windows, strict=True)
        ]
        self._counted_s += seconds
        self._tell()
        share = sum([window.ns for window in windows]) / 1e9 / seconds
        pause_s = schedule.after(seconds, share)
        if stopped:
            return None
        if self._shed and self._shed(share, self._stats) and pause_s is None:
            pause_s = 0.0
        if pause_s is None:
            assert self._bound is not None, "only a bound is exceeded"
            self._fail(
                OverheadError(
                    f"programs: detached: they took {share:.1%} of a CPU for {SUSTAINED_S:g} s, "
                    f"the bound is {self._bound * 100:g}%"
                )
            )
        return pause_s

    def _read(self) -> list[RunTime]:
        return [run_time.of_program(measured.program.fd) for measured in self._programs]

    def _fail(self, error: KernelError | OverheadError) -> None:
        if self._bound is None:
            self._unknown = str(error)
            return
        self._failure = error
        _log.info("%s", error)
        with suppress(OSError):  # who iterates is told
            self._detach()

    def _tell(self) -> None:
        """Replace the cost in the stats by what is known now."""
        began, own_began = self._began
        self._stats.cost = Cost(
            programs=tuple(
                [
                    ProgramCost(measured.image, measured.program.name, counts.runs, counts.ns)
                    for measured, counts in zip(self._programs, self._counts, strict=True)
                ]
            ),
            counted_s=self._counted_s,
            elapsed_s=time.monotonic() - began,
            own_s=time.process_time() - own_began,
            unknown=self._unknown,
        )

    def _disable(self) -> None:
        if self._statistics:
            self._statistics.close()
            self._statistics = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _nothing() -> None:
    """Do nothing: nothing is watched."""
