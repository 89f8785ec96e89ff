"""Batches as Arrow: one struct array, whose types are those of the records.

Integers, floats and bools have the width that they have in C, text is utf8 (enumerators, addresses,
pointers and bytes as rows show them), arrays are lists, structs are structs. What a record is too
short to have is null. In a stream or a file a row begins with the time when it was read.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any, Final

from beepy.errors import DecodeError, UsageError
from beepy.events.batch import Batch
from beepy.events.codec import Codec, Value
from beepy.events.decoder import Decoder
from beepy.events.fields import VALUE, is_summed
from beepy.events.row import Names, names_of
from beepy.text import safe

if TYPE_CHECKING:
    from nanoarrow import Array

_INSTALL: Final = "python3 -m pip install 'beepy-ebpf[arrow]'"

# struct's code -> nanoarrow's type
_TYPES: Final[Mapping[str, str]] = {
    "b": "int8",
    "h": "int16",
    "i": "int32",
    "q": "int64",
    "B": "uint8",
    "H": "uint16",
    "I": "uint32",
    "Q": "uint64",
    "e": "float16",
    "f": "float32",
    "d": "float64",
    "?": "bool_",
}
_SUMS: Final = {
    **dict.fromkeys("bhiq", "q"),
    **dict.fromkeys("BHIQ", "Q"),
}  # sums over CPUs are wider
_TIME_NAME: Final = "time"
_TIME: Final = Codec(code="q", size=8, value=None, text=str, width=20, number=True)


def to_arrow(decoder: Decoder, batches: Iterable[Batch], *, with_time: bool = False) -> "Array":
    """Return the rows of all batches, a struct a row.

    ``with_time``: the first member is the wall clock when a row was read, and the image and the map
    are metadata. Raises UsageError if nanoarrow is not installed, DecodeError for a batch whose
    bytes are not what it says.
    """
    writer = _Writer()
    fields = decoder.shown()
    columns: list[list[Value]] = [[] for _ in fields]
    times: list[Value] = []
    length = 0
    for batch in batches:
        decoded = decoder.values(batch, fields)
        rows = len(decoded[0]) if decoded else batch.records
        length += rows
        times += [batch.time_ns] * rows
        for column, values in zip(columns, decoded, strict=True):
            column.extend(values)
    codecs = [field.codec for field in fields]
    if is_summed(decoder.schema):
        codecs = [_summed(field.codec) if field.part == VALUE else field.codec for field in fields]
    names, metadata = names_of(fields), {}
    if with_time:
        names = {_TIME_NAME: len(fields), **names}  # no field is called so
        codecs, columns = [*codecs, _TIME], [*columns, times]
        metadata = {"image": decoder.schema.image, "map": decoder.schema.map}
    try:
        return writer.rows(names, codecs, columns, length, metadata)
    except struct.error as error:
        raise DecodeError(
            f"map '{safe(decoder.schema.map)}': not within its Arrow type: {error}"
        ) from None


class IpcStream:
    """Writes rows as an Arrow IPC stream to ``file``, a record batch at a time.

    Raises UsageError if nanoarrow is not installed.
    """

    def __init__(self, file: IO[bytes]) -> None:
        _Writer()  # raises if it is not installed
        from nanoarrow.ipc import StreamWriter  # noqa: PLC0415 - an extra of the package

        self._stream: Any = StreamWriter.from_writable(file)

    def write_types(self, decoder: Decoder) -> None:
        """Write what comes first: the types of the rows."""
        from nanoarrow.c_array_stream import CArrayStream  # noqa: PLC0415 - as above
        from nanoarrow.c_schema import c_schema  # noqa: PLC0415 - as above

        kind = c_schema(to_arrow(decoder, (), with_time=True).schema)
        self._stream.write_stream(CArrayStream.from_c_arrays([], kind))

    def write(self, decoder: Decoder, batches: Iterable[Batch]) -> None:
        """Write the rows of some batches, as one."""
        self._stream.write_array(to_arrow(decoder, batches, with_time=True))

    def close(self) -> None:
        """Write the mark of the end."""
        self._stream.close()


def _summed(codec: Codec) -> Codec:
    return codec._replace(integer=_SUMS.get(codec.code, ""))


def _code(codec: Codec) -> str:
    """Return ``struct``'s code of the number or bool that a value is, "" for text."""
    code = codec.integer or (codec.code if codec.number or codec.value is None else "")
    return code if code in _TYPES else ""


class _Writer:
    """Makes Arrow's buffers."""

    def __init__(self) -> None:
        try:
            import nanoarrow  # noqa: PLC0415 - an extra of the package
        except ModuleNotFoundError:
            lacking = UsageError("Arrow needs the package nanoarrow, which is not installed")
            lacking.add_note(_INSTALL)
            raise lacking from None
        self._na: Any = nanoarrow

    def rows(
        self,
        names: Names,
        codecs: Sequence[Codec],
        columns: Sequence[Sequence[Value]],
        length: int,
        metadata: Mapping[str, str],
    ) -> "Array":
        """Return one struct a row."""
        made: Array = self._na.Array(self._tree(names, codecs, columns, length, metadata))
        return made

    def _tree(
        self,
        names: Names,
        codecs: Sequence[Codec],
        columns: Sequence[Sequence[Value]],
        length: int,
        metadata: Mapping[str, str] = MappingProxyType({}),
    ) -> Any:  # noqa: ANN401 - nanoarrow's CArray
        """Return a struct array of the fields that ``names`` are; no struct itself is null."""
        types, children = {}, []
        for name, position in names.items():
            if isinstance(position, int):
                types[name] = self._type(codecs[position])
                children.append(self._array(codecs[position], columns[position]))
            else:
                children.append(self._tree(position, codecs, columns, length))
                types[name] = children[-1].schema
        kind = self._na.struct(types)
        if metadata:
            kind = self._na.Schema(kind, metadata={k: safe(text) for k, text in metadata.items()})
        return self._made(kind, length, [None], children)

    def _type(self, codec: Codec) -> Any:  # noqa: ANN401 - nanoarrow's Schema
        if codec is _TIME:
            return self._na.timestamp("ns", timezone="UTC")
        if not codec.inner:
            return getattr(self._na, _TYPES.get(_code(codec), "string"))()
        if codec.inner[0][0]:
            return self._na.struct({name: self._type(inner) for name, inner in codec.inner})
        return self._na.list_(self._type(codec.inner[0][1]))

    def _array(self, codec: Codec, values: Sequence[Any]) -> Any:  # noqa: ANN401 - as above
        """Return an array of values of one codec; None is null."""
        kind, length = self._type(codec), len(values)
        valid = _bits([value is not None for value in values]) if None in values else None
        if codec.inner and codec.inner[0][0]:
            children = [
                self._array(inner, [value and value[name] for value in values])
                for name, inner in codec.inner
            ]
            return self._made(kind, length, [valid], children)
        if codec.inner:
            items = [item for value in values for item in value or ()]
            return self._made(
                kind, length, [valid, _offsets(values)], [self._array(codec.inner[0][1], items)]
            )
        code = _code(codec)
        if code == "?":
            return self._made(kind, length, [valid, _bits(values)])
        if code:
            numbers = [value or 0 for value in values] if valid else values
            return self._made(kind, length, [valid, struct.pack(f"<{length}{code}", *numbers)])
        texts = [
            b"" if value is None else str(value).encode("utf-8", "backslashreplace")
            for value in values
        ]
        return self._made(kind, length, [valid, _offsets(texts), b"".join(texts)])

    def _made(
        self,
        kind: object,
        length: int,
        buffers: list[bytes | None],
        children: Sequence[object] = (),
    ) -> Any:  # noqa: ANN401 - as above
        return self._na.c_array_from_buffers(kind, length, buffers, children=children)


def _bits(values: Sequence[object]) -> bytes:
    """Return a bitmap, the first value in the lowest bit."""
    number = int("".join(["1" if value else "0" for value in reversed(values)]) or "0", 2)
    return number.to_bytes(-(-len(values) // 8), "little")


def _offsets(values: Sequence[Sequence[object] | None]) -> bytes:
    """Return where each value's items begin, and where the last ones end."""
    ends = list(accumulate([len(value or ()) for value in values], initial=0))
    return struct.pack(f"<{len(ends)}i", *ends)
