"""What is new in a table since the snapshot before: values that changed, the rates of counters."""

from collections.abc import Collection, Iterable, Sequence

from beepy.events.batch import Batch, Part
from beepy.events.fields import VALUE, Field
from beepy.obj.spec import Role
from beepy.tui.model import MapModel


class Changes:
    """Compares the entries that are visible; others are only looked up by their bytes.

    ``counter`` is the field of a counter's number, None for other maps.
    """

    def __init__(self, model: MapModel) -> None:
        self._model = model
        self._decoder = model.decoder
        values = [field for field in model.decoder.fields if field.part == VALUE]
        self._values = frozenset(values)
        is_counter = model.schema.role is Role.COUNTER and len(values) == 1
        self.counter = values[0] if is_counter and values[0].codec.number else None
        self._before: dict[bytes, bytes] = {}
        self._of: Sequence[Batch] | None = None  # the snapshot that ``_before`` has
        self._changed: list[bool] = []
        self.rates: list[str] = []  # of the visible rows, "" where there is none

    def look(self, window: Iterable[Batch]) -> None:
        """Compare the rows that are visible now."""
        self._changed, self.rates = [], []
        if not self._model.is_table or self._model.schema.is_stream:
            return
        before = self._model.before()
        if before is not self._of:
            self._of = before
            self._before = {key: value for batch in before for key, value in _entries(batch)}
        if not self._before:
            return
        for batch in window:
            entries = list(_entries(batch))
            self._changed += [self._before.get(key) != value for key, value in entries]
            if self.counter:
                self.rates += self._rates(self.counter, batch, [key for key, _ in entries])

    def _rates(self, counter: Field, batch: Batch, keys: Sequence[bytes]) -> list[str]:
        """Return how much the counters of a batch grew a second."""
        assert self._of, "it has entries"
        seconds = (batch.time_ns - self._of[0].time_ns) / 1e9
        if seconds <= 0:
            return [""] * batch.records
        known = [(key, self._before[key]) for key in keys if key in self._before]
        parts = [Part(b"".join(column), len(column[0]), 0) for column in zip(*known, strict=True)]
        old: dict[bytes, object] = {}
        if known:
            held = batch._replace(parts=tuple(parts), records=len(known))
            (values,) = self._decoder.values(held, (counter,))
            old = {key: value for (key, _), value in zip(known, values, strict=True)}
        (now,) = self._decoder.values(batch, (counter,))
        pairs = [(value, old.get(key, 0)) for key, value in zip(keys, now, strict=True)]
        return [
            f"{(value - past) / seconds:,.0f}"
            if isinstance(value, int | float) and isinstance(past, int | float) and value >= past
            else ""
            for value, past in pairs
        ]

    def at(self, index: int) -> Collection[Field]:
        """Return the fields of a visible row that have changed."""
        has_changed = index < len(self._changed) and self._changed[index]
        return self._values if has_changed else ()


def _entries(batch: Batch) -> Iterable[tuple[bytes, bytes]]:
    """Yield the key, with the CPU, and the value of each entry."""
    keys, (raw, stride, _), *cpus = batch.parts
    for at in range(batch.records):
        pieces = [part.raw[part.stride * at : part.stride * (at + 1)] for part in (keys, *cpus)]
        yield b"".join(pieces), raw[stride * at : stride * (at + 1)]
