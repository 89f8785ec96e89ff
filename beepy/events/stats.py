"""The counts of a run: how many events were shown, filtered and lost."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from beepy.events.batch import Schema, lost_yet, total_lost

if TYPE_CHECKING:
    from beepy.events.costs import Cost  # few runs measure it


class RunStats:
    """Counts of one run; each event is counted in exactly one of them.

    ``shown`` rows reached the sinks. Not shown were those that did not pass a filter
    (``filtered``), those that beepy itself caused (``own``), those of tables with the value 0
    (``zeros``), and those after the limit (``cut_by_count``). ``lost`` has the losses of each
    stream, None if its source does not count them. ``skipped_programs`` are (image, program) of
    programs that were not attached because this kernel lacks their attach point. ``cost`` is what
    the run costs, None if that is not measured.
    """

    def __init__(self, schemas: Iterable[Schema] = ()) -> None:
        self.shown = 0
        self.filtered = 0
        self.own = 0
        self.zeros = 0
        self.cut_by_count = 0
        self.skipped_programs: Sequence[tuple[str, str]] = ()
        self.cost: Cost | None = None
        self.lost: dict[Schema, int | None] = {
            schema: lost_yet(schema) for schema in schemas if schema.is_stream
        }

    def add_lost(self, schema: Schema, lost: int | None) -> None:
        """Add to the losses of a stream; None if its source does not count them."""
        self.lost[schema] = total_lost(self.lost.get(schema, lost_yet(schema)), lost)

    @property
    def total_lost(self) -> int | None:
        """The losses of all streams together, None if one of them does not count its own."""
        total: int | None = 0
        for lost in self.lost.values():
            total = total_lost(total, lost)
        return total

    def __repr__(self) -> str:
        """Return the counts on one line."""
        return (
            f"RunStats(shown={self.shown}, filtered={self.filtered}, own={self.own}, "
            f"zeros={self.zeros}, cut_by_count={self.cut_by_count}, lost={self.total_lost})"
        )
