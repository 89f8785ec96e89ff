"""No output: the rows are counted by the command, metrics and recordings work all the same."""

from collections.abc import Sequence

from beepy.events.batch import Batch
from beepy.events.decoder import Decoder


class NullSink:
    """Takes everything, and asks for nothing."""

    def open(self, decoders: Sequence[Decoder]) -> None:
        """Do nothing."""

    def write(self, batch: Batch) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""
