"""Run many small jobs in forked children with limits; measure each one's resources and outcome.

Seconds are those of an undisturbed machine: the CPU time of what seems to take too long is divided
by what a fixed work takes more than it should, right behind it, since neighbours of a virtual
machine can double what the same instructions take. What still takes too long is done again: the
shortest time counts.

A child takes jobs one after the other and writes a line for each. Where it dies, the first job
without a line is the one that killed it, and another child goes on behind it.
"""

import gc
import json
import logging
import os
import resource
import selectors
import signal
import struct
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from math import ceil
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

CPU: Final = 2.0
"""Seconds that one job may take."""

ENDLESS: Final = 5
"""Times ``CPU`` after which a job is killed."""

_AGAIN: Final = 3  # times

_REFERENCE: Final = 0.03
"""Seconds that ``_reference`` takes on the undisturbed machine that ``CPU`` is meant for."""

MEMORY: Final = 256 << 20
"""Bytes that one job may take beyond what the parent has."""


class Outcome(NamedTuple):
    """The outcome of a job: ``told`` is its result, or how it broke.

    ``seconds`` are of CPU of an undisturbed machine, ``memory`` is in bytes.
    """

    job: int
    told: list[str]
    broken: bool
    seconds: float
    memory: int

    @property
    def wrong(self) -> bool:
        """Whether the job broke or took too much."""
        return self.broken or self.seconds > CPU or self.memory > MEMORY


Job = Callable[[int], Callable[[], list[str]]]
"""Prepares the job of that number; returns the function that is measured and returns lines.

Whatever it raises breaks it.
"""


def run(jobs: Sequence[int], job: Job, chunk: int = 200) -> Iterator[Outcome]:
    """Run all jobs, ``chunk`` per child, one child per CPU at once; yield outcomes as they come."""
    waiting = [jobs[at : at + chunk] for at in range(0, len(jobs), chunk)][::-1]
    with selectors.DefaultSelector() as selector:
        while waiting or selector.get_map():
            while waiting and len(selector.get_map()) < len(os.sched_getaffinity(0)):
                child = _Child(waiting.pop(), job)
                selector.register(child.pipe, selectors.EVENT_READ, child)
            for key, _ in selector.select():
                child = key.data
                yield from child.read()
                if child.ended:
                    selector.unregister(child.pipe)
                    yield from child.wait()
                    if child.left:
                        waiting.append(child.left)


class _Child:
    def __init__(self, jobs: Sequence[int], job: Job) -> None:
        self.left = jobs
        self.ended = False
        self._rest = b""
        self.pipe, theirs = os.pipe()
        self._pid = os.fork()
        if not self._pid:
            status = 1
            try:
                os.close(self.pipe)
                _work(jobs, job, theirs)
                status = 0
            except BaseException:  # noqa: BLE001 - what prepares a job broke: the parent tells which one
                traceback.print_exc()
            finally:
                os._exit(status)
        os.close(theirs)

    def read(self) -> Iterator[Outcome]:
        data = os.read(self.pipe, 1 << 16)
        self.ended = not data
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self.left = self.left[1:]
            yield Outcome(*json.loads(line))

    def wait(self) -> Iterator[Outcome]:
        os.close(self.pipe)
        _, status, usage = os.wait4(self._pid, 0)
        if self.left:
            code = os.waitstatus_to_exitcode(status)
            how = signal.Signals(-code).name if code < 0 else f"exit {code}"
            yield Outcome(
                self.left[0],
                ["died", how],
                broken=True,
                seconds=usage.ru_utime,
                memory=usage.ru_maxrss << 10,
            )
            self.left = self.left[1:]


def _work(jobs: Sequence[int], job: Job, pipe: int) -> None:
    logging.disable()
    gc.freeze()  # a collection would visit all that the tests before have left in the parent
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    start = _status("VmRSS")
    for kind, used in ((resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData")):
        limit = _status(used) + MEMORY
        with suppress(ValueError):  # there is a lower one
            resource.setrlimit(kind, (limit, limit))
    for number in jobs:
        outcome = _measured(number, job(number), start)
        for _ in range(_AGAIN):
            if outcome.seconds > CPU:
                again = _measured(number, job(number), start)
                outcome = min(outcome, again, key=lambda one: one.seconds)
        line = json.dumps(outcome).encode() + b"\n"
        while line:
            line = line[os.write(pipe, line) :]


def _measured(number: int, job: Callable[[], list[str]], start: int) -> Outcome:
    """Do a job; ``start`` is the memory that the child had at its beginning."""
    before = _seconds()
    killed = ceil(before + CPU * ENDLESS)
    resource.setrlimit(resource.RLIMIT_CPU, (killed, resource.RLIM_INFINITY))
    Path("/proc/self/clear_refs").write_bytes(b"5")  # VmHWM begins anew
    told, broken = _tried(job)
    seconds = _seconds() - before
    memory = max(_status("VmHWM") - start, 0)
    if seconds > CPU:
        seconds /= _slowness()
    return Outcome(number, told, broken, seconds, memory)


def _tried(job: Callable[[], list[str]]) -> tuple[list[str], bool]:
    try:
        return job(), False
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is told
        where, at = [], error.__traceback__
        while at:
            where.append(f"{Path(at.tb_frame.f_code.co_filename).name}:{at.tb_lineno}")
            at = at.tb_next
        return [type(error).__name__, f"{str(error)[:200]} ({' '.join(where[-6:])})"], True


def _seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _slowness() -> float:
    """Return how much slower this machine is now than the one that is meant, 1 or more."""
    taken = []
    for _ in range(9):
        before = _seconds()
        _reference()
        taken.append(_seconds() - before)
    return max(1.0, median(taken) / _REFERENCE)


def _reference() -> int:
    """Do a work of the kind that parsing is: unpack 512 KiB into a dict of tuples."""
    data = bytes(range(256)) * 2048
    found = {}
    for at, (low, high) in enumerate(struct.iter_unpack("<II", data)):
        found[low ^ at] = (at, high)
    return len(found)


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) << 10
    raise KeyError(name)
