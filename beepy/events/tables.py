"""Tables for Python programs: read-only mappings of decoded keys to decoded values."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from beepy.events.batch import Batch, Schema, map_names
from beepy.events.decoder import Decoder
from beepy.events.fields import CPU, RECORD, VALUE, Field
from beepy.events.row import Names, Row, names_of

Read: TypeAlias = Callable[[Iterable[Schema]], Iterator[Batch]]


class Table(Mapping[Any, Any]):
    """A map of the kernel, read anew at each access.

    Take ``dict(table)`` to look at several entries of one moment. A key or value that is a struct
    is a Row (a key is found by a tuple of its members, too), any other its plain value. Per-CPU
    values that are integers are summed; of others an entry has a tuple with one value a CPU.
    """

    def __init__(self, decoder: Decoder, read: Read) -> None:
        self.schema = decoder.schema
        self._decoder = decoder
        self._read = read
        parts: dict[int, list[Field]] = {RECORD: [], VALUE: [], CPU: []}
        for field in decoder.fields:
            parts[field.part].append(field)
        self._key = _Part(parts[RECORD], "key", inline=True)
        self._value = _Part(parts[VALUE], "value", inline=bool(decoder.schema.vocabulary))
        self._per_cpu = bool(parts[CPU])

    def __getitem__(self, key: object) -> Any:  # noqa: ANN401 - a value, or a row
        return self._entries()[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._entries())

    def __len__(self) -> int:
        return len(self._entries())

    def items(self) -> Any:  # noqa: ANN401 - a view whose class is private to dict
        """Return keys and values of one reading."""
        return self._entries().items()

    def values(self) -> Any:  # noqa: ANN401 - as above
        """Return the values of one reading."""
        return self._entries().values()

    def __repr__(self) -> str:
        return f"Table({self.schema.map!r})"

    def _entries(self) -> dict[Any, Any]:
        entries: dict[Any, Any] = {}
        for batch in self._read((self.schema,)):
            keys = self._key.values(self._decoder, batch)
            values = self._value.values(self._decoder, batch)
            if self._per_cpu:
                for key, value in zip(keys, values, strict=True):
                    entries[key] = (*entries.get(key, ()), value)
            else:
                entries.update(zip(keys, values, strict=True))
        return entries


class _Part:
    """The key or the value of a table."""

    def __init__(self, fields: Sequence[Field], name: str, *, inline: bool) -> None:
        self._fields = fields
        self._is_scalar = (
            len(fields) == 1 and len(fields[0].path) == 1 and fields[0].path[0].rstrip("_") == name
        )
        self._names: Names = {} if self._is_scalar else names_of(fields, 0 if inline else 1)

    def values(self, decoder: Decoder, batch: Batch) -> list[Any]:
        """Return one value, or one row, for each row of the batch."""
        columns = decoder.values(batch, self._fields)
        if self._is_scalar:
            return columns[0]
        rows = zip(*columns, strict=True) if columns else ((),) * batch.records
        return [Row(self._names, values, batch.schema, batch.time_ns) for values in rows]


def by_name(decoders: Iterable[Decoder]) -> dict[str, Decoder]:
    """Return the decoders by the names of their maps, see ``map_names``."""
    decoders = tuple(decoders)
    names = map_names([decoder.schema for decoder in decoders])
    return dict(zip(names, decoders, strict=True))


def tables(decoders: Iterable[Decoder], read: Read) -> dict[str, Table]:
    """Return the tables among the decoders' maps, see ``by_name``."""
    named = by_name([decoder for decoder in decoders if not decoder.schema.is_stream])
    return {name: Table(decoder, read) for name, decoder in named.items()}
