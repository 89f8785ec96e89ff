"""The counts of a run: how many events were shown, filtered and lost."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from beepy.events.batch import Schema, lost_yet, total_lost

if TYPE_CHECKING:
    from beepy.events.costs import Cost  # few runs measure it


CUTS: Final = ("count", "limit", "top", "output", "until")
"""What ends or cuts what is shown: the counts ``cut_by_NAME``, and the options ``--NAME``."""


class RunStats:
    """Counts of one run; each event is counted in exactly one of them.

    ``shown`` rows reached the sinks. Not shown were those that did not pass a filter
    (``filtered``), those that beepy itself caused (``own``), those of tables with the value 0
    (``zeros``), those after the limit of the run (``cut_by_count``), those after that of a snapshot
    (``cut_by_limit``), those of maps that --top is not about (``cut_by_top``) or that an output
    does not show (``cut_by_output``), and those after the end that --until says (``cut_by_until``).
    ``overwritten`` rows were shown, and are not in the recording of --last. ``lost`` has the
    losses of each stream, and of each table whose programs count what it had no room for; None
    where they are not counted. ``lost_at`` has those of calls by (image, place), where the code
    does not show which map they write to. ``evicting`` are tables that drop entries by themselves,
    which nobody counts. ``missed`` has runs that the kernel skipped, by (image, program), None if
    it does not count them: what would have been sent was never produced, so they are no losses.
    ``skipped_programs`` are (image, program) of programs that were not attached because this kernel
    lacks their attach point. Where programs ran for one thread in N only, to cost less, ``sampled``
    is the largest N. ``rings`` has of each ring buffer whose losses are counted, in bytes: its
    size, how much of it was in use at most, and the size to try after losses (0: there were none).
    ``cost`` is what the run costs, None if that is not measured.
    """

    def __init__(self, schemas: Iterable[Schema] = ()) -> None:
        self.shown = 0
        self.filtered = 0
        self.own = 0
        self.zeros = 0
        self.cut_by_count = 0
        self.cut_by_limit = 0
        self.cut_by_top = 0
        self.cut_by_output = 0
        self.cut_by_until = 0
        self.overwritten = 0
        self.skipped_programs: Sequence[tuple[str, str]] = ()
        self.sampled = 1
        self.rings: dict[Schema, tuple[int, int, int]] = {}
        self.cost: Cost | None = None
        self.lost: dict[Schema, int | None] = {
            schema: lost_yet(schema) for schema in schemas if schema.is_stream
        }
        self.lost_at: dict[tuple[str, str], int] = {}
        self.missed: dict[tuple[str, str], int | None] = {}
        self.evicting: set[Schema] = set()

    def add_lost(self, schema: Schema, lost: int | None) -> None:
        """Add to the losses of a stream; None if its source does not count them."""
        self.lost[schema] = total_lost(self.lost.get(schema, lost_yet(schema)), lost)

    @property
    def not_shown(self) -> int:
        """The rows that pass the filters and are not shown, for whatever reason."""
        return self.zeros + sum([self.cut_by(name) for name in CUTS])

    def cut_by(self, name: str) -> int:
        """Return the count of one of ``CUTS``."""
        count: int = getattr(self, f"cut_by_{name}")
        return count

    @property
    def total_lost(self) -> int | None:
        """The losses of all streams and tables together, None if one of them is not counted."""
        total: int | None = sum(self.lost_at.values())
        for lost in [*self.lost.values()]:  # the run's thread may add a table meanwhile
            total = total_lost(total, lost)
        return total

    @property
    def total_missed(self) -> int | None:
        """The runs of all programs that the kernel skipped, None if it does not count them all."""
        total: int | None = 0
        for missed in [*self.missed.values()]:  # as above
            total = total_lost(total, missed)
        return total

    def totals(self) -> dict[str, int | None]:
        """Return the counts of the whole run by name, as JSON has them; None where unknown."""
        return {
            "shown": self.shown,
            "filtered": self.filtered,
            "own": self.own,
            "not_shown": self.not_shown,
            "lost": self.total_lost,
            "missed": self.total_missed,
        }

    def __repr__(self) -> str:
        """Return the counts on one line."""
        return (
            f"RunStats(shown={self.shown}, filtered={self.filtered}, own={self.own}, "
            f"zeros={self.zeros}, cut_by_count={self.cut_by_count}, lost={self.total_lost})"
        )
