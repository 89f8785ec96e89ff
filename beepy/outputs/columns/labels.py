"""The texts of the fields that distinguish records: a panel has a row or histogram for each set."""

from collections.abc import Mapping
from typing import TypeAlias

from beepy.events.batch import Batch
from beepy.events.decoder import Decoder
from beepy.events.fields import Field
from beepy.events.order import comparable
from beepy.outputs.columns.cells import Cell

Ranks: TypeAlias = tuple[tuple[int, float | str], ...]


class RowLabels:
    """Reads the texts of some fields of each record, safe for a terminal."""

    def __init__(self, decoder: Decoder, cells: Mapping[Field, Cell]) -> None:
        self.cells = tuple(cells.values())
        self._fields = tuple(cells)
        self._decoder = decoder
        self._view = decoder.view(tuple(cells), lambda field: cells[field].text, absent="")

    def texts(self, batch: Batch) -> list[tuple[str, ...]]:
        """Return the texts of each row."""
        if not self.cells:
            return [()] * batch.records
        return list(zip(*self._view.columns(batch), strict=True))

    def ranks(self, batch: Batch) -> list[Ranks]:
        """Return what each row is sorted by: a rank for each field, as rows of tables have it."""
        if not self.cells:
            return [()] * batch.records
        columns = self._decoder.values(batch, self._fields)
        return list(zip(*[map(comparable, column) for column in columns], strict=True))
