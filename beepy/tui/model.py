"""What the screen knows of a run: a sink that keeps the last rows of each map.

The run's thread writes, the screen's thread reads; both hold ``lock`` for short.
"""

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from beepy.events.batch import Batch, Schema
from beepy.events.decoder import Decoder
from beepy.events.order import default_order
from beepy.obj.spec import Role
from beepy.outputs import RowOptions
from beepy.outputs.columns.panel import Drawing, Panel, PanelOrder
from beepy.tui.kept import KeptRows
from beepy.tui.rows import Rows

if TYPE_CHECKING:
    from beepy.tui.timeline import Timeline  # of recordings only

Select: TypeAlias = Callable[[Batch], Batch]


class MapModel:
    """The rows of one map that are kept: the last ones of a stream, the last snapshot of a table.

    ``total`` are all rows that came (of a table: those of its last snapshot), ``version`` grows
    with each change. ``panel`` draws what is no rows, such as histograms.
    """

    def __init__(
        self, decoder: Decoder, most: int, panel: Panel | None, lock: threading.Lock
    ) -> None:
        self.decoder = decoder
        self.schema = decoder.schema
        self.panel = panel
        self.is_table = not decoder.schema.is_stream
        self.total = 0
        self.version = 0
        self._most = most
        self._lock = lock
        self._kept = KeptRows(decoder, most)
        self._select: Select | None = None
        self._matching = self._kept
        self._snapshot = 0
        self._reading: list[Batch] = []  # of a snapshot that is not complete
        self._read = 0
        self._last: tuple[list[Batch], list[Batch]] = ([], [])  # the last two complete snapshots
        keeps_order = decoder.arranged or decoder.schema.is_stream
        self.order = None if keeps_order else default_order(decoder)

    def write(self, batch: Batch) -> None:
        """Take a batch, in the run's thread."""
        if self.panel:
            self.total += batch.records
            self.version += bool(self.panel.add(batch))
        elif batch.snapshot:
            self._write_snapshot(batch)
        elif batch.records:
            self._kept.add(batch)
            if self._select:
                self._matching.add(self._select(batch))
            self.total += batch.records
            self.version += 1

    def _write_snapshot(self, batch: Batch) -> None:
        self.is_table = True  # it may be of an iterator
        if batch.snapshot != self._snapshot:
            self._snapshot, self._reading, self._read = batch.snapshot, [], 0
        self._read += batch.records
        if batch.records:
            self._reading.append(batch)
            if sum([part.records for part in self._reading]) > 2 * self._most:
                self._reading = self._first(self._reading)
        if batch.final:
            self._last = self._last[1], self._reading
            self._reading = []
            self.total = self._read
            self.version += 1

    def _first(self, batches: Sequence[Batch]) -> list[Batch]:
        rows = Rows(self.decoder, batches)
        return (rows.ordered(self.order) if self.order else rows).first(self._most)

    def select(self, select: Select | None) -> None:
        """Show only the rows that ``select`` keeps, those that are kept already too; None: all."""
        with self._lock:
            self._select = select
            if select:
                self._matching = KeptRows(self.decoder, self._most)
                for batch in self._kept.rows().batches:
                    self._matching.add(select(batch))
            else:
                self._matching = self._kept
            self.version += 1

    def rows(self) -> Rows:
        """Return what is to be shown now, in the default order of a table."""
        with self._lock:
            if not self.is_table:
                return self._matching.rows()
            batches = self._last[1]
            if self._select:  # a filter is no more thread-safe than the rest
                batches = list(map(self._select, batches))
        rows = Rows(self.decoder, batches)
        return rows.ordered(self.order) if self.order else rows

    def before(self) -> list[Batch]:
        """Return the snapshot before the one that is shown."""
        with self._lock:
            return self._last[0]

    def draw(self, width: int, height: int, order: PanelOrder | None) -> Drawing:
        """Return what the panel shows."""
        assert self.panel, "other maps have rows"
        with self._lock:
            if self.panel.sorting:
                return self.panel.sorting.draw(width, height, order)
            return Drawing(self.panel.lines(width, height))

    def hold(self, *, held: bool) -> None:
        """Let the panel show what it shows now, or what is added."""
        if self.panel and self.panel.sorting:
            with self._lock:
                self.panel.sorting.hold(held)


class Model:
    """The sink of the screen; ``most`` are the rows that are kept of each map.

    ``timeline`` counts the rows of a recording, None for a run.
    """

    def __init__(self, options: RowOptions, most: int, timeline: "Timeline | None" = None) -> None:
        self.timeline = timeline
        self.maps: dict[Schema, MapModel] = {}
        self._options = options
        self._most = most
        self._lock = threading.Lock()

    def open(self, decoders: Sequence[Decoder]) -> None:
        """Choose how each map is shown."""
        for decoder in decoders:
            panel = self._panel(decoder)
            self.maps[decoder.schema] = MapModel(decoder, self._most, panel, self._lock)

    def write(self, batch: Batch) -> None:
        """Keep a batch."""
        with self._lock:
            self.maps[batch.schema].write(batch)
        if self.timeline and batch.records:
            self.timeline.add(batch)

    def close(self) -> None:
        """Do nothing: the rows stay, to be looked at."""

    def _panel(self, decoder: Decoder) -> Panel | None:
        """Return the panel of a map that is not shown as rows."""
        schema = decoder.schema
        if self._options.rows or (schema.is_stream and schema.role in {None, Role.PRINT}):
            return None
        from beepy.outputs.columns import panels  # noqa: PLC0415 - most runs show only rows

        value_key = self._options.values.get(schema)
        bounds = self._options.bounds.get(schema, ())
        return panels.make_panel(decoder, value_key, bounds, can_redraw=False, sortable=True)
