"""Folded stacks, as flamegraph.pl and its relatives take them: ``comm;outer;inner COUNT``."""

from collections.abc import Sequence
from contextlib import suppress

from beepy.events.batch import Batch
from beepy.events.decoder import Decoder
from beepy.outputs.row_writer import RowWriter
from beepy.outputs.stack_counts import StackCounts, shown


class Folded:
    r"""Counts stacks, and writes a line for each at the end.

    A semicolon within a name is ``\x3b``. Numbers that are not above 0 have no place in a graph:
    their lines are left out.
    """

    def __init__(self, writer: RowWriter) -> None:
        self._writer = writer
        self._counts = StackCounts()

    def open(self, decoders: Sequence[Decoder]) -> None:
        """Prepare for the maps of the decoders."""
        self._counts.open(decoders)

    def write(self, batch: Batch) -> None:
        """Count a batch."""
        self._counts.add(batch)

    def close(self) -> None:
        """Write the lines."""
        with suppress(BrokenPipeError):  # the reader is gone, and nothing else is left to do
            for _, (before, frames), count in self._counts.rows():
                if count > 0:
                    names = [shown(name).replace(";", r"\x3b") for name in (*before, *frames)]
                    self._writer.write(f"{';'.join(names)} {count}\n")
