"""Events with a beginning and an end as a trace: JSON trace events, which ui.perfetto.dev opens.

Each record is a pair of events (``"ph": "b"`` and ``"e"``) of an id of its own, for records of one
thread may overlap. Times are those of the kernel's clock, in microseconds with three decimals. The
file is an array with an event a line; without its end it can be read all the same.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from beepy.events.batch import Batch, Schema
from beepy.events.decoder import Decoder
from beepy.events.fields import Field
from beepy.events.spans import Spans
from beepy.outputs import image_name
from beepy.outputs.jsonl import encode
from beepy.outputs.row_writer import RowWriter

_NAMES: Final = ("comm", "task")
_PROCESSES: Final = ("tgid", "pid")
_THREADS: Final = ("tid", "pid")
_MAX_NAMED: Final = 1 << 16  # processes that are remembered to have a name


class _Map(NamedTuple):
    decoder: Decoder
    spans: Spans
    shown: tuple[Field, ...]
    name: Field | None
    process: Field | None
    thread: Field | None


class TraceEvents:
    """Writes two events a record, and the names of processes."""

    def __init__(self, writer: RowWriter) -> None:
        self._writer = writer
        self._maps: dict[Schema, _Map] = {}
        self._named: set[tuple[int, str]] = set()
        self._id = 0
        self._image = ""
        self._separator = "[\n"
        self._is_open = False

    def open(self, decoders: Sequence[Decoder]) -> None:
        """Prepare for the maps of the decoders."""
        self._image = image_name(decoders)
        for decoder in decoders:
            self._maps[decoder.schema] = _Map(
                decoder,
                Spans(decoder),
                decoder.shown(),
                _first(decoder, _NAMES, lambda field: not field.codec.number),
                _first(decoder, _PROCESSES, lambda field: field.codec.is_plain_int),
                _first(decoder, _THREADS, lambda field: field.codec.is_plain_int),
            )
        self._is_open = True

    def write(self, batch: Batch) -> None:
        """Write the events of a batch."""
        if not batch.records:
            return
        known = self._maps[batch.schema]
        decoder = known.decoder
        columns = decoder.values(batch, known.shown)
        names, processes, threads = (
            _column(decoder, batch, field) for field in (known.name, known.process, known.thread)
        )
        rows: Any = zip(*columns, strict=True) if columns else [()] * batch.records
        spans = known.spans.read(batch)
        keys = [f"{encode(field.name)}: " for field in known.shown]
        title = encode(batch.schema.map)
        first = f"{encode(self._image)}: {encode(batch.schema.image)}" if self._image else ""
        lines: list[str] = []
        for row, name, process, thread, (begin, end) in zip(
            rows, names, processes, threads, spans, strict=True
        ):
            members = [key + encode(value) for key, value in zip(keys, row, strict=True)]
            arguments = ", ".join([*([first] if first else []), *members])
            pid, label = process or 0, encode(name) if name else title
            self._id += 1
            common = (
                f'"cat": {title}, "name": {label}, "id": "{self._id:#x}", '
                f'"pid": {pid}, "tid": {thread or pid}'
            )
            if name and process and (pid, label) not in self._named:
                lines.append(self._process_name(pid, label))
            lines.append(f'{{"ph": "b", {common}, "ts": {_time(begin)}, "args": {{{arguments}}}}}')
            lines.append(f'{{"ph": "e", {common}, "ts": {_time(end)}}}')
        self._writer.write(self._separator + ",\n".join(lines))
        self._separator = ",\n"

    def close(self) -> None:
        """Write the end of the array."""
        if self._is_open:
            with suppress(BrokenPipeError):  # the reader is gone, and nothing else is left to do
                self._writer.write("[]\n" if self._separator == "[\n" else "\n]\n")

    def _process_name(self, pid: int, label: str) -> str:
        if len(self._named) >= _MAX_NAMED:
            self._named.clear()
        self._named.add((pid, label))
        return f'{{"ph": "M", "name": "process_name", "pid": {pid}, "args": {{"name": {label}}}}}'


def _first(decoder: Decoder, names: Sequence[str], fits: Callable[[Field], bool]) -> Field | None:
    """Return the field of the first name that fits."""
    for name in names:
        for field in decoder.fields:
            if field.path[-1] == name and fits(field):
                return field
    return None


def _column(decoder: Decoder, batch: Batch, field: Field | None) -> list[Any]:
    return decoder.values(batch, (field,))[0] if field else [None] * batch.records


def _time(nanoseconds: int) -> str:
    return f"{nanoseconds // 1000}.{nanoseconds % 1000:03d}"
