"""Decoded records for Python programs: rows with attributes.

A row holds the values of all fields of one record, in the order of the struct. Its names are a
tree, which all rows of a map share::

    struct event { u32 pid; struct { u16 port; u32 addr; } peer; }

    names   {"pid": 0, "peer": {"port": 1, "addr": 2}}          values   (4711, 443, 3232235777)
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from beepy.events.batch import Batch, Schema
from beepy.events.codec import Value
from beepy.events.decoder import Decoder
from beepy.events.fields import Field

if TYPE_CHECKING:
    from nanoarrow import Array

Names: TypeAlias = "dict[str, int | Names]"

_OWN: Final = ("schema", "time_ns", "asdict")


def names_of(fields: Sequence[Field], depth: int = 0) -> Names:
    """Return the tree of the fields' names, from the ``depth``-th name of each path on."""
    names: Names = {}
    for position, field in enumerate(fields):
        branch = names
        for name in field.path[depth:-1]:
            branch = branch.setdefault(name, {})  # type: ignore[assignment]  # a path that goes on has no value
        branch[field.path[-1]] = position
    return names


class Row:
    """One record, or one entry of a table.

    A field is an attribute and an item: ``row.comm``, ``row["comm"]``; members of a struct are
    attributes of a row again (``row.peer.port``), and ``row["peer.port"]``. An attribute that is a
    method here (``asdict``) is reached as an item. ``asdict`` returns what ``-o json`` prints.
    ``schema`` says which map it is of, ``time_ns`` is the wall clock (ns since the epoch) when it
    was read; a field of such a name comes first. Rows are compared by their values, also with
    tuples of them.
    """

    __slots__ = ("_names", "_schema", "_time_ns", "_values")

    schema: Schema
    time_ns: int

    def __init__(
        self, names: Names, values: tuple[Value, ...], schema: Schema, time_ns: int
    ) -> None:
        self._names = names
        self._values = values
        self._schema = schema
        self._time_ns = time_ns

    def _member(self, name: str) -> Any:  # noqa: ANN401 - a value, or a row
        position = self._names[name]
        if isinstance(position, int):
            return self._values[position]
        return Row(position, self._values, self._schema, self._time_ns)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as above
        if name in self.__slots__:  # of a row that copy or pickle has not filled yet
            raise AttributeError(name)
        if name in self._names:
            return self._member(name)
        if name == "schema":
            return self._schema
        if name == "time_ns":
            return self._time_ns
        raise AttributeError(f"no field '{name}': the fields are {', '.join(self._names)}")

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - as above
        if name in self._names:
            return self._member(name)
        first, _, rest = name.partition(".")
        inner = self._member(first) if first in self._names else None
        if not isinstance(inner, Row):
            raise KeyError(name)
        return inner[rest]

    def asdict(self) -> dict[str, Any]:
        """Return the values by name; structs are dicts."""
        members = ((name, self._member(name)) for name in self._names)
        return {
            name: value.asdict() if isinstance(value, Row) else value for name, value in members
        }

    def __iter__(self) -> Iterator[Any]:
        return map(self._member, self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Row):
            return list(self._names) == list(other._names) and tuple(self) == tuple(other)
        return isinstance(other, tuple) and tuple(self) == other

    def __hash__(self) -> int:
        try:
            return hash(tuple(self))
        except TypeError:  # an array of structs is a tuple of dicts
            return hash(repr(self))

    def __dir__(self) -> list[str]:
        return [*_OWN, *self._names]

    def __repr__(self) -> str:
        return f"Row({', '.join([f'{name}={self._member(name)!r}' for name in self._names])})"


class Rows:
    """Rows of one map that were read together.

    Iterating decodes the fields that are shown, ``column`` decodes any one. ``lost`` is how many
    records the map's source lost since the rows before, None where it cannot tell.
    """

    def __init__(self, batch: Batch, decoder: Decoder, names: "Names | None" = None) -> None:
        self.batch = batch
        self.decoder = decoder
        self._names = names_of(decoder.shown()) if names is None else names

    @property
    def schema(self) -> Schema:
        """What the rows hold."""
        return self.batch.schema

    @property
    def map(self) -> str:
        """The name of the map."""
        return self.batch.schema.map

    @property
    def image(self) -> str:
        """The name of the image."""
        return self.batch.schema.image

    @property
    def time_ns(self) -> int:
        """The wall clock (ns since the epoch) when they were read."""
        return self.batch.time_ns

    @property
    def lost(self) -> int | None:
        """How many records the map's source lost since the rows before, None if unknown."""
        return self.batch.lost

    def columns(self) -> Mapping[str, list[Value]]:
        """Return the values of the fields, a list for each, by their names (``peer.port``)."""
        fields = self.decoder.shown()
        columns = self.decoder.values(self.batch, fields)
        return {field.name: column for field, column in zip(fields, columns, strict=True)}

    def column(self, name: str) -> list[Value]:
        """Return the values of one field, a derived one too.

        Raises KeyError for a name that is not there.
        """
        field = self.decoder.named(name)
        if field is None or (field.name != name):
            raise KeyError(name)
        return self.decoder.values(self.batch, (field,))[0]

    def to_arrow(self) -> "Array":
        """Return the rows as an Arrow array of structs, which polars, pandas and pyarrow take.

        Raises UsageError if nanoarrow is not installed.
        """
        from beepy.events.arrow import to_arrow  # noqa: PLC0415 - few programs use it

        return to_arrow(self.decoder, [self.batch])

    def __iter__(self) -> Iterator[Row]:
        columns = self.decoder.values(self.batch, self.decoder.shown())
        schema, time_ns, names = self.schema, self.time_ns, self._names
        if not columns:
            return iter([Row(names, (), schema, time_ns)] * self.batch.records)
        return (Row(names, values, schema, time_ns) for values in zip(*columns, strict=True))

    def __len__(self) -> int:
        return self.batch.records

    def __repr__(self) -> str:
        return f"Rows({self.map!r}, {len(self)} rows)"
