"""The fields of records that tell sets of them apart, as texts."""

from collections.abc import Mapping

from beepy.events.batch import Batch
from beepy.events.decoder import Decoder
from beepy.events.fields import Field
from beepy.outputs.columns.cells import Cell


class Labels:
    """The texts of some fields of each record, safe for a terminal."""

    def __init__(self, decoder: Decoder, cells: Mapping[Field, Cell]) -> None:
        self.cells = tuple(cells.values())
        self._view = decoder.view(tuple(cells), lambda field: cells[field].text, absent="")

    def texts(self, batch: Batch) -> list[tuple[str, ...]]:
        """Return a tuple of texts a row."""
        if not self.cells:
            return [()] * batch.records
        return list(zip(*self._view.columns(batch), strict=True))
