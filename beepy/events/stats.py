"""What became of the events of a run, in numbers."""

from collections.abc import Iterable, Sequence

from beepy.events.batch import Schema, lost_yet, total_lost


class RunStats:
    """Counts of one run; every event is in exactly one of them.

    ``shown`` rows reached the sinks. ``filtered`` were left out by a filter, ``own`` because beepy itself caused them,
    ``zeros`` because a table's value is 0, ``cut_by_count`` because enough rows were shown. ``lost`` has what each
    stream lost, None where its source cannot tell. ``skipped_programs`` are (image, program) of those that were not
    attached because this kernel lacks their attach point.
    """

    def __init__(self, schemas: Iterable[Schema] = ()) -> None:
        self.shown = 0
        self.filtered = 0
        self.own = 0
        self.zeros = 0
        self.cut_by_count = 0
        self.skipped_programs: Sequence[tuple[str, str]] = ()
        self.lost: dict[Schema, int | None] = {schema: lost_yet(schema) for schema in schemas if schema.is_stream}

    def add_lost(self, schema: Schema, lost: int | None) -> None:
        """Count what a stream lost; None: its source cannot tell."""
        self.lost[schema] = total_lost(self.lost[schema], lost)

    @property
    def total_lost(self) -> int | None:
        """What all streams lost together, None if one of them cannot tell."""
        total: int | None = 0
        for lost in self.lost.values():
            total = total_lost(total, lost)
        return total

    def __repr__(self) -> str:
        """Return the counts on one line."""
        return (
            f"RunStats(shown={self.shown}, filtered={self.filtered}, own={self.own}, zeros={self.zeros}, "
            f"cut_by_count={self.cut_by_count}, lost={self.total_lost})"
        )
