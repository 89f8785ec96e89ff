"""Schemas and batches out of types and plain bytes."""

import struct
from collections.abc import Sequence

from beepy.btf.btf import Btf
from beepy.btf.types import TypeId
from beepy.btf.writer import BtfWriter
from beepy.conventions import bee
from beepy.events.batch import Batch, Part, Schema
from beepy.events.batch_ops import expand_per_cpu
from beepy.events.codec import Value
from beepy.events.decoder import Decoder
from beepy.obj.spec import Role

TIME_NS = 1_793_534_400_000_000_042  # 2026-11-01T12:00:00.000000042Z


def stream(writer: BtfWriter, record: int, name: str = "print_exits") -> Schema:
    """A ring buffer of that record type."""
    return Schema("image:1", name, None, Btf(writer.data(), name="object"), TypeId(record))


def table(
    writer: BtfWriter,
    key: int,
    value: int,
    key_size: int,
    value_size: int,
    *,
    cpus: int = 0,
    name: str = "print_table",
) -> Schema:
    btf = Btf(writer.data(), name="object")
    return Schema(
        "image:1",
        name,
        None,
        btf,
        key=TypeId(key),
        value=TypeId(value),
        key_size=key_size,
        value_size=value_size,
        cpus=cpus,
    )


def with_role(schema: Schema, role: Role | None) -> Schema:
    """The schema as bee's convention has it for a map of that role."""
    return schema._replace(
        role=role, metric=bee.metric_name(schema.map), metric_value=bee.metric_value(role)
    )


def ring(schema: Schema, records: Sequence[bytes]) -> Batch:
    """Return equally long records as a ring buffer holds them: with headers, padded to 8 bytes."""
    length = len(records[0]) if records else 0
    stride = 8 + -(-length // 8) * 8
    raw = b"".join(
        [struct.pack("<II", length, 7) + record.ljust(stride - 8, b"\xaa") for record in records]
    )
    return Batch(schema, (Part(raw, stride, 8),), len(records), length, TIME_NS)


def snapshot(schema: Schema, entries: Sequence[tuple[bytes, bytes]]) -> Batch:
    """A table's entries as its reader gives them.

    Of a per-CPU table each value is as many padded slots as there are CPUs.
    """
    return expand_per_cpu(entries_of(schema, entries))


def entries_of(schema: Schema, entries: Sequence[tuple[bytes, bytes]]) -> Batch:
    """A table's entries as the kernel has them."""
    keys, values = b"".join([key for key, _ in entries]), b"".join([value for _, value in entries])
    slot = -(-schema.value_size // 8) * 8
    span = slot * schema.cpus if schema.cpus else schema.value_size
    parts = (Part(keys, schema.key_size, 0), Part(values, span, 0))
    return Batch(schema, parts, len(entries), schema.value_size, TIME_NS, snapshot=1, final=True)


def decode(schema: Schema, batch: Batch) -> dict[str, list[Value]]:
    """All columns by name."""
    decoder = Decoder(schema)
    columns = decoder.values(batch, decoder.fields)
    return {field.name: column for field, column in zip(decoder.fields, columns, strict=True)}


def texts(schema: Schema, batch: Batch) -> dict[str, list[str]]:
    """All columns by name, as Go's text."""
    decoder = Decoder(schema)
    columns = decoder.texts(batch, decoder.fields)
    return {field.name: column for field, column in zip(decoder.fields, columns, strict=True)}


def read_member(writer: BtfWriter, member: int, raw: bytes) -> tuple[Value, str]:
    """Return the value and text of a record's one member, which does not begin at byte 0."""
    schema = stream(
        writer, writer.struct("s", 8 + len(raw), [("pad", 0, 0), ("it", member, 64)][1:])
    )
    batch = ring(schema, [b"\xee" * 8 + raw])
    (value,), (text,) = decode(schema, batch)["it"], texts(schema, batch)["it"]
    return value, text


class Exits:
    """The record of exitsnoop."""

    size = 56

    def __init__(self, name: str = "print_exits") -> None:
        w = self.writer = BtfWriter()
        u64, u32 = w.integer("unsigned long long", 8, 0), w.integer("unsigned int", 4, 0)
        comm = w.array(w.integer("char", 1), 16)
        members = [
            ("start_time", u64, 0),
            ("exit_time", u64, 64),
            ("pid", u32, 128),
            ("tid", u32, 160),
        ]
        members += [
            ("ppid", u32, 192),
            ("sig", u32, 224),
            ("exit_code", w.integer(), 256),
            ("comm", comm, 288),
        ]
        self.schema = stream(w, w.struct("event", self.size, members), name)

    @staticmethod
    def record(
        comm: bytes = b"bash", pid: int = 1, exit_code: int = 0, start_time: int = 10
    ) -> bytes:
        return struct.pack(
            "<QQIIIIi16s4x", start_time, start_time + 5, pid, pid, 1, 0, exit_code, comm
        )
