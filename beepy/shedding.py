"""Let programs run for one thread in N, while they would cost too much otherwise."""

from collections.abc import Sequence
from typing import Final

from beepy import sections, subjects
from beepy.analysis import effects
from beepy.collection.collection import Collection
from beepy.errors import RewriteError, worded
from beepy.events.stats import RunStats
from beepy.log import Log
from beepy.obj.spec import CollectionSpec, ProgramSpec
from beepy.rewrite import shed
from beepy.text import safe

_log = Log(__name__)

MAX: Final = 1 << 10
"""The largest N; programs that still cost too much are detached."""

_SPARE: Final = 0.4  # of the bound: twice as much is still below it


def apply(specs: Sequence[CollectionSpec]) -> list[CollectionSpec]:
    """Return the objects with programs that ask whether the current thread is one of those.

    Raises RewriteError for a program that may change more than its own maps, or whose return value
    decides something: it has to run for every thread.
    """
    return [_applied(spec) for spec in specs]


def _applied(spec: CollectionSpec) -> CollectionSpec:
    maps = effects.of_maps(spec)
    for program in spec.loaded:
        changes = effects.of_program(program, maps)
        if changes:
            raise _refused(program, f"it may change {changes[0]}")
        hook = sections.find(program.section)
        if not hook or not subjects.is_skippable(hook):
            raise _refused(program, "it has to run each time")
    if any(map_spec.name == shed.MAP for map_spec in spec.maps):
        raise RewriteError(f"map '{shed.MAP}': the object has one of that name")
    return shed.apply(spec, [program.name for program in spec.loaded])


def _refused(program: ProgramSpec, why: str) -> RewriteError:
    return RewriteError(worded(f"--max-overhead: program '{safe(program.name)}': {why}"))


class Shedder:
    """Lets the programs of ``collections`` run for one thread in ``divisor``, at first for all."""

    def __init__(self, collections: Sequence[Collection], bound: float) -> None:
        self.divisor = 1
        self._collections = collections
        self._bound = bound

    def after(self, share: float, stats: RunStats) -> bool:
        """Choose the divisor after a window in which programs took ``share`` of a CPU.

        Return False if it cannot be larger and they still take too much. The largest so far is kept
        in ``stats``. Raises KernelError.
        """
        divisor = next_divisor(self.divisor, share, self._bound)
        if divisor == self.divisor:
            return share <= self._bound
        for collection in self._collections:
            collection.maps[shed.MAP].update(bytes(4), divisor.to_bytes(4, "little"))
        self.divisor = divisor
        stats.sampled = max(stats.sampled, divisor)
        _log.warning(
            "sampled 1/%d: %s: programs took %.1f%% of a CPU, the bound is %g%%",
            divisor,
            "one thread in so many" if divisor > 1 else "all threads again",
            share * 100,
            self._bound * 100,
        )
        return True


def next_divisor(divisor: int, share: float, bound: float) -> int:
    """Return the divisor after a window in which programs took ``share`` of a CPU.

    Over the bound it is at least doubled; well below, it is halved.
    """
    if share > bound:
        wanted = divisor * 2
        while wanted < MAX and share * divisor / wanted > bound:
            wanted *= 2
        return min(wanted, MAX)
    return max(divisor // 2, 1) if share < bound * _SPARE else divisor
