"""The sink of ``-o none``: the run counts its rows, and other sinks (metrics) work as ever."""

from collections.abc import Sequence

from beepy.events.batch import Batch
from beepy.events.decoder import Decoder


class NullSink:
    """Ignores all batches."""

    def open(self, decoders: Sequence[Decoder]) -> None:
        """Do nothing."""

    def write(self, batch: Batch) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""
