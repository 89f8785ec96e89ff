"""Rows, counts, histograms and tables for people: fitted to a terminal, whole in a file."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from beepy.events.batch import Batch, Schema, map_names
from beepy.events.decoder import Decoder
from beepy.obj.spec import Role
from beepy.outputs import DEFAULT, RowOptions
from beepy.outputs.columns.live import LiveBlock
from beepy.outputs.columns.pages import Pages
from beepy.outputs.columns.panel import Panel
from beepy.outputs.columns.plain import PlainRows
from beepy.outputs.columns.sheet import Sheet
from beepy.outputs.columns.terminal import Size, Terminal
from beepy.outputs.row_writer import RowWriter
from beepy.text import safe

_HEIGHT: Final = 24  # of a terminal that does not know its size
_UNLIMITED: Final = Size(width=None, height=None, wraps=1)


class Columns:
    """The sink that shows each map by its role.

    Events are rows. Streams of counters, gauges and histograms are *panels*, and so are tables that
    hold histograms. On a terminal that can be redrawn all tables are panels, and panels are a block
    below the rows. Elsewhere a stream's panel is written at the end, and a table's with each
    snapshot. Without ``terminal`` the width is unlimited.
    """

    def __init__(
        self, writer: RowWriter, options: RowOptions = DEFAULT, terminal: Terminal | None = None
    ) -> None:
        self._writer = writer
        self._options = options
        self._terminal = terminal
        self._panels: dict[Schema, Panel] = {}
        self._plain: dict[Schema, PlainRows] = {}
        self._sheets: dict[Schema, Sheet] = {}
        self._pages = Pages(self._sheets)
        self._live: LiveBlock | None = None
        if terminal and terminal.can_redraw:
            self._live = LiveBlock(writer, terminal, self._block)

    def open(self, decoders: Sequence[Decoder]) -> None:
        """Choose how each map is shown; write the header of a single map, or empty panels."""
        row_decoders: dict[Schema, Decoder] = {}
        for decoder in decoders:
            panel = self._make_panel(decoder)
            if panel:
                self._panels[decoder.schema] = panel
            else:
                row_decoders[decoder.schema] = decoder
        names = _names(decoders, with_image=self._terminal is not None and self._terminal.wide)
        map_width = 0
        if len(row_decoders) > 1:
            map_width = max(map(len, ["map", *[names[schema] for schema in row_decoders]]))
        size = self._size()
        for schema, decoder in row_decoders.items():
            if size.width or size.height:
                self._sheets[schema] = Sheet(decoder, names[schema], map_width)
            else:
                self._plain[schema] = PlainRows(self._writer, decoder, names[schema], map_width)
        if len(row_decoders) == 1 and not self._panels:
            for plain in self._plain.values():
                plain.write_header()
        if self._live:
            self._live.start()
            if self._panels:
                self._live.update()

    def write(self, batch: Batch) -> None:
        """Write the rows of a batch, or add it to its panel."""
        schema = batch.schema
        if self._live and batch.snapshot and schema not in self._panels:  # lines of an iterator
            from beepy.outputs.columns import panels  # noqa: PLC0415 - few images have iterators

            with self._live.lock:
                self._panels[schema] = panels.table_panel(self._sheets.pop(schema).decoder)
        panel = self._panels.get(schema)
        if panel:
            self._update(panel, batch)
        elif batch.records:
            self._write_rows(batch)

    def close(self) -> None:
        """Draw the panels a last time; without a redrawn terminal, write those of streams."""
        if self._live:
            self._live.close()
            return
        with suppress(BrokenPipeError):  # the reader is gone, and nothing else is left to do
            for schema, panel in self._panels.items():
                if schema.is_stream:
                    self._write_panel(panel)

    def _make_panel(self, decoder: Decoder) -> Panel | None:
        """Return the map's panel, None if it is shown as rows."""
        schema = decoder.schema
        if schema.is_stream and schema.role in {None, Role.PRINT}:
            return None
        if self._options.rows and (schema.is_stream or not self._live):
            return None
        from beepy.outputs.columns import panels  # noqa: PLC0415 - most runs show only rows

        if self._options.rows:
            return panels.table_panel(decoder)
        value_key = self._options.values.get(schema)
        bounds = self._options.bounds.get(schema, ())
        return panels.make_panel(decoder, value_key, bounds, can_redraw=self._live is not None)

    def _size(self) -> Size:
        return self._terminal.size() if self._terminal else _UNLIMITED

    def _write_rows(self, batch: Batch) -> None:
        plain = self._plain.get(batch.schema)
        if plain:
            plain.write(batch)
            return
        block_height = self._live.height if self._live else 0
        lines = self._pages.lines(batch, self._size(), block_height)
        text = "\n".join([*lines, ""])
        if self._live and self._panels:
            self._live.print_above(text)
        else:
            self._writer.write(text)

    def _update(self, panel: Panel, batch: Batch) -> None:
        if self._live:
            with self._live.lock:
                if panel.add(batch):
                    self._live.update()
        elif panel.add(batch) and batch.snapshot:
            self._write_panel(panel)

    def _block(self, size: Size) -> list[str]:
        """Return the lines of all panels: a screen at most, or two thirds of it below rows."""
        height = size.height or _HEIGHT
        panels = [*self._panels.values()]
        max_height = height * 2 // 3 if self._pages.has_rows else height - 1
        panel_lines = [panel.lines(size.width, max_height) for panel in panels]
        # Each panel has an empty line above it; that of the first is the cursor's.
        heights = _divide([len(lines) + 1 for lines in panel_lines], max_height + 1)
        block: list[str] = []
        for panel, lines, panel_height in zip(panels, panel_lines, heights, strict=True):
            room = panel_height - 1
            shown = lines if len(lines) <= room else panel.lines(size.width, room)[:room]
            block += ["", *shown]
        return block

    def _write_panel(self, panel: Panel) -> None:
        lines = panel.lines(self._size().width, None)
        self._writer.write("".join([f"{line}\n" for line in [*lines, ""]]))


def _names(decoders: Sequence[Decoder], *, with_image: bool) -> dict[Schema, str]:
    """Return what the maps are called, safe for a terminal.

    ``with_image``: where several images run, all names have theirs.
    """
    schemas = [decoder.schema for decoder in decoders]
    names = map_names(schemas)
    if with_image and len({schema.image for schema in schemas}) > 1:
        names = [f"{schema.image}.{schema.map}" for schema in schemas]
    return {schema: safe(name) for schema, name in zip(schemas, names, strict=True)}


def _divide(needs: Sequence[int], lines_left: int) -> list[int]:
    """Divide lines among panels, at least two for each; others may use those that one leaves."""
    heights = [0] * len(needs)
    smallest_first = sorted(range(len(needs)), key=needs.__getitem__)
    for done, position in enumerate(smallest_first):
        share = lines_left // (len(needs) - done)
        heights[position] = min(needs[position], max(share, 2))
        lines_left -= heights[position]
    return heights
