"""All of one row: nested, with what values mean, and the raw bytes."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from rich.segment import Segment

from beepy.events.batch import Batch
from beepy.events.decoder import Decoder
from beepy.events.fields import Field
from beepy.events.stacks import Stacks
from beepy.outputs.columns.cells import cells, every_cell_of
from beepy.outputs.jsonl import encode, timestamp
from beepy.text import safe
from beepy.tui import styles
from beepy.tui.line import Segments
from beepy.width import width, wrap

FIRST_FIELD: Final = 3  # the line below what is known of the row, and an empty one
_MAX_RAW: Final = 1024  # bytes
_SIZES: Final = (16, 8, 4, 2)  # bytes of a line
_AROUND: Final = 7  # columns of a line beside four for each byte
_MAX_NAME: Final = 32  # columns
_MAX_TEXT: Final = 1 << 14  # characters of a value


class Detail(NamedTuple):
    """A line: what it shows, and the field that it is about."""

    segments: Segments
    field: Field | None = None


def details(stacks: Stacks, decoder: Decoder, row: Batch, columns: int) -> list[Detail]:
    """Return the lines about a row, none of which is wider than ``columns``."""
    lines = [Detail([Segment(f"{'map':<6}", styles.NAME), Segment(safe(decoder.schema.map))])]
    lines.append(Detail([Segment(f"{'read':<6}", styles.NAME), Segment(timestamp(row.time_ns))]))
    lines.append(Detail([]))
    lines += _fields(decoder, row, columns)
    if stacks.fields:
        (sample,) = stacks.samples(row)
        lines += [Detail([]), Detail([Segment("stack, the innermost frame first", styles.DIM)])]
        lines += [Detail([Segment(safe(frame))]) for frame in reversed(sample.frames)]
    for title, raw in _raw(row):
        lines.append(Detail([]))
        lines.append(Detail([Segment(f"{title}, {len(raw)} bytes", styles.DIM)]))
        lines += [Detail([Segment(line, styles.DIM)]) for line in _dump(raw[:_MAX_RAW], columns)]
        if len(raw) > _MAX_RAW:
            lines.append(Detail([Segment(f"... {len(raw) - _MAX_RAW} more", styles.DIM)]))
    return lines


def _fields(decoder: Decoder, row: Batch, columns: int) -> Iterator[Detail]:
    computed = [field for field in decoder.shown() if field.derived]
    fields = (*decoder.fields, *computed)
    shown, exact = every_cell_of(decoder), cells(fields, exact=True)
    names = [2 * (len(field.path) - 1) + len(safe(field.path[-1])) for field in fields]
    name_width = min(max(names, default=0), _MAX_NAME, max(columns // 2, 1))
    values = decoder.values(row, fields)
    path: tuple[str, ...] = ()
    for field, (value,) in zip(fields, values, strict=True):
        for depth, name in enumerate(field.path[:-1]):
            if path[: depth + 1] != field.path[: depth + 1]:
                yield Detail([Segment("  " * depth + safe(name), styles.NAME)])
        path = field.path[:-1]
        indent = "  " * (len(field.path) - 1)
        text = "(not in the record)" if value is None else shown[field].text(value)
        other = "" if value is None else exact[field].text(value)
        if other == text:
            as_json = encode(value)
            other = as_json if as_json.strip('"') != text else ""
        name = indent + safe(field.path[-1])
        for line in _wrapped(name, text[:_MAX_TEXT], other, name_width, columns):
            yield Detail(line, field)


def _wrapped(name: str, text: str, other: str, name_width: int, columns: int) -> Iterator[Segments]:
    """Yield the lines of a field: its name, its text, and another form of it if there is room.

    A name that is too long has lines of its own.
    """
    if width(name) > name_width:
        yield from [[Segment(line, styles.NAME)] for line in wrap(name, max(columns, 1))]
        name = ""
    room = max(columns - name_width - 2, 1)
    lines = wrap(text, room) or [""]
    for number, line in enumerate(lines):
        heading = Segment(f"{'' if number else name:<{name_width}}  ", styles.NAME)
        segments = [heading, Segment(line)]
        if other and number == len(lines) - 1 and width(line) + len(other) + 3 <= room:
            segments.append(Segment(f"   {other}", styles.DIM))
        yield segments


def _raw(row: Batch) -> Iterator[tuple[str, bytes]]:
    """Yield the bytes of a record, or of a key and a value."""
    if row.schema.is_stream:
        (raw, _, skip), *_ = row.parts
        yield "record", raw[skip : skip + row.length]
        return
    for title, part in zip(("key", "value"), row.parts, strict=False):
        yield title, part.raw[: part.stride]


def _dump(raw: bytes, columns: int) -> Iterator[str]:
    size = next((size for size in _SIZES if 4 * size + _AROUND <= columns), 1)
    for at in range(0, len(raw), size):
        piece = raw[at : at + size]
        text = "".join([chr(byte) if 0x20 <= byte < 0x7F else "." for byte in piece])
        yield f"{at:04x}  {piece.hex(' '):<{3 * size - 1}}  {text}"
