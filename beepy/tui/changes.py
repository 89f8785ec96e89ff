"""Which entries of a table have another value than in the snapshot before."""

from collections.abc import Collection, Iterable, Sequence

from beepy.events.batch import Batch
from beepy.events.fields import VALUE, Field
from beepy.tui.model import MapModel


class Changes:
    """Compares the entries that are visible; others are only looked up by their bytes."""

    def __init__(self, model: MapModel) -> None:
        self._model = model
        self._values = frozenset([field for field in model.decoder.fields if field.part == VALUE])
        self._before: dict[bytes, bytes] = {}
        self._of: Sequence[Batch] | None = None  # the snapshot that ``_before`` has
        self._changed: list[bool] = []

    def look(self, window: Iterable[Batch]) -> None:
        """Compare the rows that are visible now."""
        self._changed = []
        if not self._model.is_table or self._model.schema.is_stream:
            return
        before = self._model.before()
        if before is not self._of:
            self._of = before
            self._before = {key: value for batch in before for key, value in _entries(batch)}
        if self._before:
            for batch in window:
                self._changed += [self._before.get(key) != value for key, value in _entries(batch)]

    def at(self, index: int) -> Collection[Field]:
        """Return the fields of a visible row that have changed."""
        has_changed = index < len(self._changed) and self._changed[index]
        return self._values if has_changed else ()


def _entries(batch: Batch) -> Iterable[tuple[bytes, bytes]]:
    """Yield the key, with the CPU, and the value of each entry."""
    keys, (raw, stride, _), *cpus = batch.parts
    for at in range(batch.records):
        key = b"".join(
            [part.raw[part.stride * at : part.stride * (at + 1)] for part in (keys, *cpus)]
        )
        yield key, raw[stride * at : stride * (at + 1)]
