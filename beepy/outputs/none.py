"""No output: the rows are counted by the command, metrics and recordings work all the same."""

from beepy.events.batch import Batch, Demand, Schema


class Silent:
    """Takes everything, and asks for nothing."""

    def open(self, schemas: tuple[Schema, ...], demand: Demand) -> None:
        """Do nothing."""

    def write(self, batch: Batch) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""
