"""What a run costs, as values: its programs in the kernel, and beepy's own process."""

from typing import NamedTuple


class ProgramCost(NamedTuple):
    """How often a program of an image ran, and for how many ns, while that was counted."""

    image: str
    program: str
    runs: int
    ns: int


class Cost(NamedTuple):
    """What a run has cost until now.

    Runs of ``programs`` were counted for ``counted_s`` of the ``elapsed_s`` seconds since they were
    attached. ``own_s`` is the CPU time of beepy's process in that time. ``unknown`` is why runs
    cannot be counted, "" if they are.
    """

    programs: tuple[ProgramCost, ...] = ()
    counted_s: float = 0.0
    elapsed_s: float = 0.0
    own_s: float = 0.0
    unknown: str = ""

    @property
    def share(self) -> float | None:
        """The share of one CPU that the programs took, None if nothing was counted."""
        return self.share_of(sum([program.ns for program in self.programs]))

    def share_of(self, ns: int) -> float | None:
        """Return ``ns`` of a program as a share of one CPU, None if nothing was counted."""
        return ns / 1e9 / self.counted_s if self.counted_s else None

    @property
    def own_share(self) -> float | None:
        """The share of one CPU that beepy's own process took, None at the very beginning."""
        return self.own_s / self.elapsed_s if self.elapsed_s else None


class ProgramState(NamedTuple):
    """A loaded program: the kernel's ``id`` and ``tag`` of it, and whether it is attached.

    ``image`` is the name of its object. ``run_time_ns`` and ``run_count`` are None while the kernel
    does not count them (kernel.bpf_stats_enabled).
    """

    image: str
    program: str
    tag: str
    id: int
    attached: bool
    run_time_ns: int | None = None
    run_count: int | None = None
