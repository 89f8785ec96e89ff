"""How one value is read: from its bytes to a Python value, and from that to Go's text.

The functions below are what codecs are made of. Each takes an item, which ``struct`` unpacked, or
the bytes that hold it.
"""

import struct
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias

Value: TypeAlias = (
    "int | float | str | tuple[Value, ...] | dict[str, Value] | None"  # bool is an int
)
Read: TypeAlias = Callable[[Any], Value]

_INTEGERS: Final = frozenset("bBhHiIqQ")


class Codec(NamedTuple):
    """How values of one type are read, shown, and (for ``--set``) written.

    ``code`` is the format character of ``struct`` for the item, of ``size`` bytes, little endian.
    ``value`` makes the value of the item (None: the item is the value), ``text`` makes Go's text of
    the value. ``width`` is how many characters that text usually takes at most.

    ``number``: values are numbers to count with. ``to_number`` makes the number of an item that has
    a name or a bool as its value. ``cacheable``: few different values come again and again, so that
    it pays to remember what is made of them. ``open_ended``: ``value`` reads any number of bytes,
    not only ``size``: an array of bytes that the end of the record cuts, or an array without a
    length. ``calls_per_value`` is how many functions are called to read one value, including
    those for all elements and members in it.

    ``from_text`` makes the item's bytes of a text (None: the typedef does not matter, the type
    does); it raises ValueError that says what is expected. ``unit_ns`` is how many nanoseconds one
    count is (0: no time). ``integer`` is the format character of the integer or bool that ``value``
    makes of bytes, "" if it makes something else. ``inner`` are the codecs of what a value consists
    of: of an array its element's, under the name "", of a struct its members'.
    """

    code: str
    size: int
    value: Read | None
    text: Callable[[Any], str]
    width: int
    number: bool = False
    cacheable: bool = False
    open_ended: bool = False
    calls_per_value: int = 1
    to_number: Callable[[Any], int] | None = None
    from_text: Callable[[str], bytes] | None = None
    unit_ns: int = 0
    integer: str = ""
    inner: "tuple[tuple[str, Codec], ...]" = ()

    @property
    def is_plain_int(self) -> bool:
        """Whether values are integers just as they are unpacked."""
        return self.value is None and self.code in _INTEGERS

    def as_number(self) -> "Codec | None":
        """Return a codec that reads numbers, as metrics need: an enum's value, 0 or 1 for a bool.

        Return None if the values have no number.
        """
        if self.number:
            return self
        if self.to_number is None:
            return None
        return self._replace(value=self.to_number, text=str, number=True)


def cut(codec: Codec, start: int) -> Callable[[bytes], Value]:
    """Return a function that reads the value at byte ``start`` of a piece of bytes."""
    return partial(_cut, struct.Struct(f"<{codec.code}"), start, codec.value)


def _cut(unpacker: struct.Struct, start: int, value: Read | None, raw: bytes) -> Value:
    (item,) = unpacker.unpack_from(raw, start)
    return value(item) if value else item


def wide_integer(raw: bytes, *, signed: bool) -> int:
    """Read an integer for which ``struct`` has no code: of 16 bytes, or of 3."""
    return int.from_bytes(raw, "little", signed=signed)


def wide_bool(raw: bytes) -> bool:
    """Read a bool of several bytes."""
    return any(raw)


def bitfield(shift: int, mask: int, sign: int, raw: bytes) -> int:
    """Read the bits of ``mask``, from bit ``shift`` on; ``sign`` is the sign bit, 0 if unsigned."""
    number = int.from_bytes(raw, "little") >> shift & mask
    return (number ^ sign) - sign  # extends the sign without a branch; does nothing if sign is 0


def bitfield_bool(shift: int, mask: int, raw: bytes) -> bool:
    """Read a bool that is a bitfield."""
    return int.from_bytes(raw, "little") >> shift & mask != 0


def elements(unpacker: struct.Struct, value: Read | None, raw: bytes) -> tuple[Value, ...]:
    """Read an array; ``unpacker`` is for one element."""
    items = [item for (item,) in unpacker.iter_unpack(raw)]
    return tuple(map(value, items)) if value else tuple(items)


def no_elements(_raw: bytes) -> tuple[Value, ...]:
    """Read an array of elements without bytes."""
    return ()


def whole_elements(
    read: Callable[[bytes], tuple[Value, ...]], step: int, most: int, raw: bytes
) -> tuple[Value, ...]:
    """Read the elements of ``step`` bytes that ``raw`` holds in full, at most ``most`` of them."""
    return read(raw[: min(len(raw) // step, most) * step])


def bracketed(text: Callable[[Any], str], values: tuple[Value, ...]) -> str:
    """Return an array's text: ``[1 2 3]``."""
    return f"[{' '.join(map(text, values))}]"


def struct_members(
    readers: tuple[tuple[str, Callable[[bytes], Value]], ...], raw: bytes
) -> dict[str, Value]:
    """Read a struct: ``readers`` are the names of its members, and what reads each."""
    return {name: read(raw) for name, read in readers}


def braced(texts: tuple[Callable[[Any], str], ...], values: dict[str, Value]) -> str:
    """Return a struct's text: ``{1 bash}``."""
    members = zip(texts, values.values(), strict=True)
    return f"{{{' '.join([text(value) for text, value in members])}}}"
