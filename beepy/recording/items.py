"""The items of a recording: what is known of the run, types, schemas, batches, clocks."""

import json
import re
import struct
import time
from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final

from beepy.btf import types
from beepy.btf.btf import MAX_WALKED, Btf
from beepy.btf.layout import size_of
from beepy.btf.names import essential_name
from beepy.btf.types import TypeId
from beepy.btf.writer import BtfWriter
from beepy.errors import BeepyError, BtfError, RecordingError
from beepy.events.batch import Batch, Part, Schema
from beepy.events.clock import LIVE, Clock
from beepy.obj.measures import Measure
from beepy.obj.presentation import ColumnHint, Presentation
from beepy.obj.spec import Role
from beepy.recording.blocks import Item, packed
from beepy.text import safe

VERSION: Final = 1
CLOCKS: Final = (time.CLOCK_MONOTONIC, time.CLOCK_BOOTTIME, time.CLOCK_REALTIME)
"""The clocks of an item, in its order."""

_BATCH: Final = struct.Struct("<IqIIqIBB")
_PART: Final = struct.Struct("<III")
_CLOCK: Final = struct.Struct("<QQQ")
_NUMBER: Final = struct.Struct("<I")
_UNKNOWN: Final = -1  # of losses
_MAX_TEXT: Final = 1 << 20  # bytes of JSON
_MAX_CPUS: Final = 1 << 13  # CONFIG_NR_CPUS of any architecture
_RING_HEADER: Final = 8  # bytes before a record, of ring and perf buffers
_METRIC: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


def _metric_name(value: Any) -> str:  # noqa: ANN401 - JSON
    """Return the name of a metric, which is on the page as it is. Raises ValueError."""
    name = str(value)
    if name and not _METRIC.fullmatch(name):
        raise ValueError(f"metric '{safe(name[:64])}': not a name")
    return name


# of Schema, as JSON has them; types, clock and texts are apart
_FIELDS: Final[dict[str, Callable[[Any], Any]]] = {
    **dict.fromkeys(("image", "map", "metric_value"), str),
    **dict.fromkeys(("record", "key", "value", "key_size", "value_size", "cpus"), int),
    "counts_loss": bool,
    "metric": _metric_name,
}
_LATER: Final[dict[str, Callable[[Any], Any]]] = {"vocabulary": str, "drains": bool}
"""... that older recordings lack."""


class Kind(IntEnum):
    """The kinds of items; others are skipped, for later versions may have more."""

    HEADER = 1
    TYPES = 2  # u32 number, BTF
    SCHEMA = 3
    BATCH = 4
    CLOCK = 5
    END = 6
    NAMES = 7


def document(kind: Kind, value: object) -> bytes:
    """Return an item of JSON."""
    return packed(kind, json.dumps(value).encode())


def types_item(number: int, btf: Btf) -> bytes:
    """Return the item of types."""
    return packed(Kind.TYPES, _NUMBER.pack(number) + btf.data)


def schema_item(number: int, schema: Schema, types_number: int, kernel: int | None) -> bytes:
    """Return the item of a schema."""
    fields = {name: getattr(schema, name) for name in ("role", *_FIELDS, *_LATER)}
    fields["texts"] = sorted(schema.texts)
    fields["presentation"] = _presented(schema.presentation)
    fields["measures"] = schema.measures  # tuples, which are lists in JSON
    value = {"number": number, "types": types_number, "kernel": kernel, "fields": fields}
    return document(Kind.SCHEMA, value)


def batch_item(number: int, batch: Batch) -> bytes:
    """Return the item of a batch."""
    lost = _UNKNOWN if batch.lost is None else batch.lost
    head = _BATCH.pack(
        *(number, batch.time_ns, batch.records, batch.length, lost, batch.snapshot),
        *(batch.final, len(batch.parts)),
    )
    parts = [_PART.pack(len(part.raw), part.stride, part.skip) + part.raw for part in batch.parts]
    return packed(Kind.BATCH, head + b"".join(parts))


def clock_item() -> bytes:
    """Return the item with the clocks (ns) now, by the offsets that the run's rows have, too."""
    return packed(Kind.CLOCK, _CLOCK.pack(*LIVE.times()))


def kernel_enums(image: Btf, kernel: Btf) -> Btf | None:
    """Return the enums of the kernel that an image has by name, None if there are none."""
    writer = BtfWriter()
    is_empty = True
    for number in range(1, min(len(image), MAX_WALKED)):
        enum = image.type(TypeId(number))
        if not isinstance(enum, types.Enum | types.Enum64) or not enum.name:
            continue
        for type_id in kernel.named(essential_name(enum.name)):
            other = kernel.type(type_id)
            if isinstance(other, types.Enum | types.Enum64):
                add = writer.enum if isinstance(other, types.Enum) else writer.enum64
                add(other.name, dict(other.values), other.size, signed=other.signed)
                is_empty = False
    return None if is_empty else Btf(writer.data(), name="kernel")


def read_document(item: Item, where: str) -> dict[str, Any]:
    """Return the JSON object of an item. Raises RecordingError."""
    try:
        value = json.loads(item.body[:_MAX_TEXT])
    except (ValueError, RecursionError) as error:
        raise RecordingError(f"{where}: malformed JSON: {error}") from None
    if not isinstance(value, dict):
        raise RecordingError(f"{where}: malformed JSON: not an object")
    return value


def read_types(item: Item, where: str) -> tuple[int, Btf]:
    """Return the number of types, and the types. Raises RecordingError."""
    if len(item.body) < _NUMBER.size:
        raise RecordingError(f"{where}: types: cut")
    (number,) = _NUMBER.unpack_from(item.body)
    try:
        return number, Btf(item.body[_NUMBER.size :], name=where)
    except BtfError as error:
        raise RecordingError(str(error)) from None


def read_schema(item: Item, btfs: dict[int, Btf], clock: Clock, where: str) -> tuple[int, Schema]:
    """Return the number of a schema, and the schema. Raises RecordingError."""
    value = read_document(item, where)
    try:
        number, fields = int(value["number"]), dict(value["fields"])
        role = fields.pop("role")
        texts = frozenset(str(name) for name in fields.pop("texts"))
        kernel = None if value["kernel"] is None else btfs[value["kernel"]]
        known = {name: kind(fields[name]) for name, kind in _FIELDS.items()}
        known |= {name: kind(fields[name]) for name, kind in _LATER.items() if name in fields}
        schema = Schema(
            **known,
            role=None if role is None else Role(role),
            btf=btfs[value["types"]],
            texts=texts,
            kernel=lambda: kernel,
            clock=clock,
            presentation=_presentation(fields.get("presentation")),
            measures=tuple([_measure(measure) for measure in fields.get("measures", ())]),
        )
        if not 0 <= schema.cpus <= _MAX_CPUS:
            raise ValueError(f"{schema.cpus} CPUs, at most {_MAX_CPUS}")
        for type_id in (schema.record, schema.key, schema.value):
            if type_id:
                size_of(schema.btf, type_id)
    except (
        *(BeepyError, AttributeError, KeyError, OverflowError, RecursionError),
        *(TypeError, ValueError),
    ) as error:
        raise RecordingError(f"{where}: malformed schema: {error}") from None
    return number, schema


def _presented(presentation: Presentation | None) -> dict[str, Any] | None:
    """Return how rows look, as JSON has it."""
    if presentation is None:
        return None
    return {
        "columns": {name: list(hint) for name, hint in presentation.columns.items()},
        "limit": presentation.limit,
        "sort": presentation.sort,
        "not_in_json": sorted(presentation.not_in_json),
        "rest": presentation.rest,
        "rest_length": presentation.rest_length,
        "targets": dict(presentation.targets),
    }


def _presentation(value: Any) -> Presentation | None:  # noqa: ANN401 - JSON
    """Return how rows look. Raises KeyError, TypeError, ValueError, OverflowError."""
    if value is None:
        return None
    return Presentation(
        columns={str(name): _hint(hint) for name, hint in dict(value["columns"]).items()},
        limit=int(value["limit"]),
        sort=str(value["sort"]),
        not_in_json=frozenset(map(str, value["not_in_json"])),
        rest=str(value["rest"]),
        rest_length=str(value["rest_length"]),
        targets={str(name): str(target) for name, target in dict(value["targets"]).items()},
    )


def _hint(value: Any) -> ColumnHint:  # noqa: ANN401 - JSON
    hidden, heading, right, *widths = value
    is_right = None if right is None else bool(right)
    return ColumnHint(bool(hidden), str(heading), is_right, *map(int, widths))


def _measure(value: Any) -> Measure:  # noqa: ANN401 - JSON
    """Return a metric of a gadget. Raises TypeError, ValueError, OverflowError."""
    name, role, field, text, labels, scope, bounds, slots = value
    return Measure(
        name=_metric_name(name),
        role=Role(role),
        field=str(field),
        help=str(text),
        labels=tuple([(str(label), str(shown)) for label, shown in labels]),
        scope=str(scope),
        bounds=tuple(map(float, bounds)),
        slots=bool(slots),
    )


def read_batch(item: Item, schemas: dict[int, Schema], where: str) -> Batch:
    """Return a batch, whose parts hold all of its records. Raises RecordingError."""
    body = item.body
    try:
        number, time_ns, records, length, lost, snapshot, final, count = _BATCH.unpack_from(body)
        schema = schemas[number]
        at = _BATCH.size
        parts = []
        for _ in range(count):
            size, stride, skip = _PART.unpack_from(body, at)
            at += _PART.size
            parts.append(Part(body[at : at + size], stride, skip))
            at += size
    except (KeyError, struct.error) as error:
        raise RecordingError(f"{where}: malformed batch: {error}") from None
    is_cut = at != len(body) or any(len(part.raw) < records * part.stride for part in parts)
    if is_cut or (records and len(parts) < (1 if schema.is_stream else 2)):
        raise RecordingError(f"{where}: malformed batch: its records are cut")
    least = _RING_HEADER if schema.is_stream else 1
    if records and any(part.stride < least for part in parts[:2]):
        raise RecordingError(f"{where}: malformed batch: its records have no room")
    return Batch(
        schema=schema,
        parts=tuple(parts),
        records=records,
        length=length,
        time_ns=time_ns,
        lost=None if lost == _UNKNOWN else lost,
        snapshot=snapshot,
        final=bool(final),
    )


def read_clock(item: Item, where: str) -> dict[int, int]:
    """Return the times (ns) by the clocks of an item. Raises RecordingError."""
    if len(item.body) != _CLOCK.size:
        raise RecordingError(f"{where}: malformed clocks")
    return dict(zip(CLOCKS, _CLOCK.unpack(item.body), strict=True))
