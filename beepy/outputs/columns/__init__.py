"""Rows, counts, histograms and tables for people: fitted to a terminal and redrawn there, whole in a pipe or a file."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from beepy.events.batch import Batch, Schema
from beepy.events.decoder import Decoder
from beepy.obj.spec import Role
from beepy.outputs import DEFAULT, RowOptions
from beepy.outputs.columns.live import Live
from beepy.outputs.columns.pages import Pages
from beepy.outputs.columns.panel import Panel
from beepy.outputs.columns.plain import Plain
from beepy.outputs.columns.sheet import Sheet
from beepy.outputs.columns.terminal import Size, Terminal
from beepy.outputs.row_writer import RowWriter
from beepy.text import safe

_HEIGHT: Final = 24  # of a terminal that does not say


class Columns:
    """Shows each map as what it is.

    Events are rows. Streams of counters, gauges and histograms, and tables that hold histograms, are *panels*, as are
    all tables on a terminal that can be redrawn: there they stand below the rows. Elsewhere streams' panels are written
    at the end, and those of tables with each snapshot. Without ``terminal`` nothing has a width.
    """

    def __init__(self, out: RowWriter, options: RowOptions = DEFAULT, terminal: Terminal | None = None) -> None:
        self._out = out
        self._options = options
        self._terminal = terminal
        self._decoders: dict[Schema, Decoder] = {}
        self._panels: dict[Schema, Panel] = {}
        self._plain: dict[Schema, Plain] = {}
        self._headed: set[Plain] = set()
        self._sheets: dict[Schema, Sheet] = {}
        self._pages = Pages(self._sheets)
        self._live = Live(out, terminal, self._block) if terminal and terminal.live else None

    def open(self, decoders: Sequence[Decoder]) -> None:
        """Decide how each map is shown; write the header of one map's rows, or the empty panels."""
        rows: dict[Schema, Decoder] = {}
        self._decoders = {decoder.schema: decoder for decoder in decoders}
        for schema, decoder in self._decoders.items():
            panel = self._panel(schema, decoder)
            if panel:
                self._panels[schema] = panel
            else:
                rows[schema] = decoder
        names = max([len("map"), *[len(safe(schema.map)) for schema in rows]]) if len(rows) > 1 else 0
        size = self._size()
        for schema, decoder in rows.items():
            if size.width or size.height:
                self._sheets[schema] = Sheet(decoder, safe(schema.map), names)
            else:
                self._plain[schema] = Plain(decoder, safe(schema.map), names)
        if len(self._decoders) == 1:
            for plain in self._plain.values():
                self._head(plain)
        if self._live and self._panels:
            self._live.changed()

    def write(self, batch: Batch) -> None:
        """Write the rows of a batch, or show what it changes."""
        if self._live and batch.snapshot and batch.schema not in self._panels:  # an iterator's lines
            from beepy.outputs.columns import panels  # noqa: PLC0415 - few images have iterators

            with self._live.lock:
                self._panels[batch.schema] = panels.table(batch.schema, self._decoders[batch.schema])
                self._sheets.pop(batch.schema, None)
        panel = self._panels.get(batch.schema)
        if panel:
            self._update(panel, batch)
            return
        if batch.records:
            self._rows(batch)

    def close(self) -> None:
        """Draw the panels a last time; off a terminal, write what streams have counted."""
        if self._live:
            self._live.close()
            return
        with suppress(BrokenPipeError):  # who read has gone, and nothing else is to be done
            for schema, panel in self._panels.items():
                if schema.is_stream:
                    self._print(panel)

    def _panel(self, schema: Schema, decoder: Decoder) -> Panel | None:
        """Return the map's panel, None if it is shown as rows."""
        stream = schema.is_stream
        if (stream and schema.role in {None, Role.PRINT}) or (self._options.rows and (stream or not self._live)):
            return None
        from beepy.outputs.columns import panels  # noqa: PLC0415 - most runs show rows alone

        if self._options.rows:
            return panels.table(schema, decoder)
        return panels.of(
            schema,
            decoder,
            self._options.values.get(schema),
            self._options.bounds.get(schema, ()),
            live=self._live is not None,
        )

    def _size(self) -> Size:
        return self._terminal.size() if self._terminal else Size(None, None, 1)

    def _rows(self, batch: Batch) -> None:
        plain = self._plain.get(batch.schema)
        if plain:
            self._head(plain)
            plain.write(self._out, batch)
            return
        taken = self._live.height if self._live else 0
        text = "\n".join([*self._pages.lines(batch, self._size(), taken), ""])
        if self._live and self._panels:
            self._live.above(text)
        else:
            self._out.write(text)

    def _head(self, plain: Plain) -> None:
        if plain not in self._headed:
            self._headed.add(plain)
            self._out.write(plain.header)

    def _update(self, panel: Panel, batch: Batch) -> None:
        if self._live:
            with self._live.lock:
                if panel.add(batch):
                    self._live.changed()
        elif panel.add(batch) and batch.snapshot:
            self._print(panel)

    def _block(self, size: Size) -> list[str]:
        """Return the lines of all panels; together no more than the screen has, or two thirds of it beside rows."""
        height = size.height or _HEIGHT
        panels = [*self._panels.values()]
        left = height * 2 // 3 if self._pages.begun else height - 1
        drawn = [panel.lines(size.width, left) for panel in panels]
        rooms = _rooms([len(lines) + 1 for lines in drawn], left + 1)  # with an empty line above each
        block: list[str] = []
        for panel, lines, room in zip(panels, drawn, rooms, strict=True):
            shown = lines if len(lines) < room else panel.lines(size.width, room - 1)[: room - 1]
            block += ["", *shown]
        return block

    def _print(self, panel: Panel) -> None:
        lines = panel.lines(self._size().width, None)
        self._out.write("".join([f"{line}\n" for line in [*lines, ""]]))


def _rooms(needs: Sequence[int], left: int) -> list[int]:
    """Divide ``left`` lines among panels, at least two to each: what one does not need, others may use."""
    rooms = [0] * len(needs)
    for before, at in enumerate(sorted(range(len(needs)), key=needs.__getitem__)):
        rooms[at] = min(needs[at], max(left // (len(needs) - before), 2))
        left -= rooms[at]
    return rooms
