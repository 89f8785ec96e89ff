"""A source of batches that are there already, as a recording's are."""

from collections.abc import Iterable, Iterator, Sequence

from beepy.events.batch import Batch, Schema
from beepy.events.stats import RunStats


class Given:
    """A source that yields ``batches``; ``snapshot`` repeats tables'. Notes each request."""

    def __init__(self, batches: Sequence[Batch], *schemas: Schema) -> None:
        self.schemas = tuple(dict.fromkeys([*schemas, *[batch.schema for batch in batches]]))
        self.stats = RunStats(self.schemas)
        self.calls: list[str] = []
        self._batches = batches
        self._stopped = False

    def open(self) -> None:
        self.calls.append("open")

    def __iter__(self) -> Iterator[Batch]:
        for batch in self._batches:
            if self._stopped:
                break
            yield batch

    def demand(self, schemas: tuple[Schema, ...]) -> None:
        self.calls.append(f"demand {', '.join([schema.map for schema in schemas])}")

    def snapshot(self, schemas: Iterable[Schema]) -> Iterator[Batch]:
        wanted = set(schemas)
        return iter([batch for batch in self._batches if batch.schema in wanted])

    def stop(self) -> None:
        self._stopped = True

    def close(self) -> None:
        self.calls.append("close")
