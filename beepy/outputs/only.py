"""The rows of some maps only, where an output cannot show those of others."""

from collections.abc import Sequence

from beepy.events.batch import Batch
from beepy.events.decoder import Decoder
from beepy.events.protocols import Sink
from beepy.events.stats import RunStats


class OnlyMaps:
    """Gives another sink the rows of the maps of some decoders; others are counted as not shown.

    ``stats`` are the counts of the run.
    """

    def __init__(self, decoders: Sequence[Decoder], sink: Sink, stats: RunStats) -> None:
        self._decoders = decoders
        self._schemas = {decoder.schema for decoder in decoders}
        self._sink = sink
        self._stats = stats

    def open(self, decoders: Sequence[Decoder]) -> None:
        """Open the other sink."""
        del decoders
        self._sink.open(self._decoders)

    def write(self, batch: Batch) -> None:
        """Pass a batch on, or count it."""
        if batch.schema in self._schemas:
            self._sink.write(batch)
            return
        self._stats.shown -= batch.records  # which the run adds after this
        self._stats.cut_by_output += batch.records

    def close(self) -> None:
        """Close the other sink."""
        self._sink.close()
