"""Encode the value of a variable, a text or a Python value, as the bytes of its BTF type.

::

    integers     42  -7  0x2a  'x'      a quoted character is its code; so is a bare one for char
    ..of 64 bits 10ms  1.5s  1h2m       in ns, or in the unit that the name ends with: timeout_ms
    bool         true  false  yes  no  on  off  1  0
    enum         NAME  NAME|NAME  3
    char[]       any text that leaves room for its NUL
    ipv4_addr    10.0.0.1               typedefs of 4 bytes; ipv6_addr of 16: fe80::1
    arrays       1,2,3  [1,2,3]  [[1,2],[3,4]]      missing elements are 0
"""

import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.cformat import c_type
from beepy.btf.layout import (
    integer_range,
    named_members,
    size_of,
    skip_mods,
    skip_mods_and_typedefs,
)
from beepy.btf.types import AnyEnum, Array, Int, TypeId
from beepy.errors import BtfError, UsageError
from beepy.events import semantics
from beepy.events.codec import Codec
from beepy.obj.spec import Value
from beepy.text import safe
from beepy.units import NANOSECONDS

_NUMBER: Final = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]{1,40}|[0-9]{1,40})")
_CHARACTER: Final = re.compile(r"'([^'])'")
_DURATION: Final = re.compile(r"(\d{1,19})(?:\.(\d{1,9}))?(ns|us|µs|ms|s|m|h)")
_BOOLS: Final = {"true": 1, "yes": 1, "on": 1, "1": 1, "false": 0, "no": 0, "off": 0, "0": 0}
_FLOATS: Final = {2: "<e", 4: "<f", 8: "<d"}
_NANOSECONDS: Final = {**NANOSECONDS, "µs": NANOSECONDS["us"]}
_NAMED_UNITS: Final = {
    **{name: NANOSECONDS[name] for name in ("ns", "us", "ms", "s")},
    "nsec": 1,
    "usec": 10**3,
    "msec": 10**6,
    "sec": 10**9,
    "seconds": 10**9,
}
_MAX_SHOWN: Final = 40  # characters of a value in a message
_MAX_LISTED: Final = 12  # names in a message
_MAX_MEMBERS: Final = 1 << 16  # of one struct, those of anonymous structs in it included
_MAX_INT: Final = 16  # bytes


class VariableRef(NamedTuple):
    """A variable, or a member or element of one.

    ``name`` is what the user wrote, down to the member. ``offset`` counts bits from the beginning
    of the variable, ``bits`` is the width of a bitfield, else 0.
    """

    btf: Btf
    name: str
    type: TypeId
    offset: int = 0
    bits: int = 0

    def member(self, name: str) -> "VariableRef | None":
        """Return the member of that name, also in anonymous members; None if not found."""
        for member in _members(self):
            if member.name == name:
                return member._replace(name=f"{self.name}.{name}")
        return None

    def element(self, index: int) -> "VariableRef | None":
        """Return an element of an array, None if beyond its end or not an array."""
        _, array = skip_mods_and_typedefs(self.btf, self.type)
        if not isinstance(array, Array) or index >= array.nelems:
            return None
        offset = self.offset + index * size_of(self.btf, array.type) * 8
        return VariableRef(self.btf, f"{self.name}[{index}]", array.type, offset)


def write(area: bytearray, ref: VariableRef, value: Value) -> None:
    """Write ``value`` into the variable's bytes.

    Raises UsageError that names what was expected, BtfError for malformed types.
    """
    size = size_of(ref.btf, ref.type)
    if ref.offset + (ref.bits or size * 8) > len(area) * 8:
        raise BtfError(
            f"{ref.btf.name}: '{safe(ref.name)}': exceeds the {len(area)} bytes of its variable"
        )
    if isinstance(value, bytes):
        _write_bytes(area, ref, value, size)
        return
    if _write_by_typedef(area, ref, value, size):
        return
    _, resolved = skip_mods_and_typedefs(ref.btf, ref.type)
    match resolved:
        case types.Int():
            _write_bits(area, ref, size, _integer_value(ref, resolved, value))
        case types.Enum() | types.Enum64():
            _write_bits(area, ref, size, _enum_value(ref, resolved, value))
        case types.Float():
            at = ref.offset // 8
            area[at : at + size] = _float_bytes(ref, value, size)
        case types.Array():
            _write_array(area, ref, resolved, value)
        case types.Struct() | types.Union():
            _write_members(area, ref, value)
        case _:
            raise _refusal(ref, value, "a type that can be set")


def _members(ref: VariableRef) -> Iterator[VariableRef]:
    """Yield the named members, including those of anonymous members."""
    for count, hit in enumerate(named_members(ref.btf, ref.type)):
        if count >= _MAX_MEMBERS:
            raise BtfError(f"{ref.btf.name}: '{safe(ref.name)}': more than {_MAX_MEMBERS} members")
        member = hit.member
        yield VariableRef(
            ref.btf, member.name, member.type, ref.offset + hit.offset, member.bitfield_size
        )


def _write_bits(area: bytearray, ref: VariableRef, size: int, number: int) -> None:
    """Write a number into the bits of ``ref``, and keep those around a bitfield."""
    bits = ref.bits or size * 8
    first, last = ref.offset // 8, -(-(ref.offset + bits) // 8)
    shift, mask = ref.offset % 8, (1 << bits) - 1
    before = int.from_bytes(area[first:last], "little") & ~(mask << shift)
    area[first:last] = (before | (number & mask) << shift).to_bytes(last - first, "little")


def _write_bytes(area: bytearray, ref: VariableRef, value: bytes, size: int) -> None:
    _, resolved = skip_mods_and_typedefs(ref.btf, ref.type)
    is_bytes = isinstance(resolved, Array) and size_of(ref.btf, resolved.type) == 1
    if ref.bits or not (len(value) == size or (is_bytes and len(value) < size)):
        at_most = "at most " if is_bytes else ""
        raise _refusal(ref, value, f"{at_most}{size} bytes, not {len(value)}")
    at = ref.offset // 8
    area[at : at + size] = value.ljust(size, b"\0")


def _write_by_typedef(area: bytearray, ref: VariableRef, value: Value, size: int) -> bool:
    """Write a text with the meaning of a typedef, such as an address; return whether it was one.

    A number for a typedef of four bytes is written as an integer.
    """
    codec = _codecs(ref).get(size)
    if not (codec and codec.from_text and isinstance(value, str)):
        return False
    if size == 4 and _NUMBER.fullmatch(value):
        return False
    try:
        raw = codec.from_text(value.strip())
    except ValueError as error:
        raise _refusal(ref, value, str(error)) from None
    at = ref.offset // 8
    area[at : at + size] = raw
    return True


def _codecs(ref: VariableRef) -> Mapping[int, Codec]:
    """Return the codecs, by size, of the outermost typedef with a meaning; {} if none has one."""
    return next(semantics.rows(ref.btf, ref.type), {})


def _width(ref: VariableRef, kind: Int | AnyEnum) -> int:
    """Return the width of a value in bits. Raises BtfError if its type is narrower."""
    bits = ref.bits or (kind.bits if isinstance(kind, Int) else kind.size * 8)
    if not 0 < bits <= 8 * kind.size <= 8 * _MAX_INT:
        name = f"{ref.btf.name}: variable '{safe(ref.name)}': type {c_type(ref.btf, ref.type)}"
        raise BtfError(f"{name}: {bits} bits in {kind.size} bytes: cannot be set")
    return bits


def _integer_value(ref: VariableRef, kind: Int, value: Value) -> int:
    bits = _width(ref, kind)
    if kind.bool:
        number = _BOOLS.get(value.strip().lower()) if isinstance(value, str) else value
        if not isinstance(number, int) or number not in (0, 1):
            raise _refusal(ref, value, "true or false")
        return number
    number = _parse_number(ref, kind, value) if isinstance(value, str) else value
    low, high = integer_range(bits, signed=kind.signed)
    if not isinstance(number, int) or not low <= number <= high:
        alternative = ", or a duration such as 10ms" if _unit_ns(ref, kind) else ""
        raise _refusal(ref, value, f"a number from {low} to {high}{alternative}")
    return number


def _parse_number(ref: VariableRef, kind: Int, text: str) -> int | None:
    """Return the value of a number, a character or a duration; None for any other text."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return int(text, 16 if "x" in text.lower() else 10)
    bare = kind.name == "char" and re.fullmatch("(.)", text)
    if character := _CHARACTER.fullmatch(text) or bare:
        return ord(character[1])
    unit = _unit_ns(ref, kind)
    # an exact sum in units of 1e-9 ns, for parts such as .5 have up to nine digits
    if not unit or not re.fullmatch(f"(?:{_DURATION.pattern})+", text):
        return None
    total = 0
    for whole, part, name in _DURATION.findall(text):
        total += int(whole + part) * _NANOSECONDS[name] * 10 ** (9 - len(part))
    if total % (unit * 10**9):
        raise _refusal(ref, text, f"a multiple of its unit, {unit} ns")
    return total // (unit * 10**9)


def _unit_ns(ref: VariableRef, kind: Int) -> int:
    """Return the nanoseconds of the unit that an integer may count, 0 if it is not a time."""
    unit_ns = max([codec.unit_ns for codec in _codecs(ref).values()], default=0)
    if unit_ns:
        return unit_ns
    _, underscore, last = ref.name.rstrip("[0123456789]").rpartition("_")
    named = _NAMED_UNITS.get(last.lower(), 0) if underscore else 0
    return named or (1 if kind.size == 8 and not ref.bits else 0)


def _enum_value(ref: VariableRef, kind: AnyEnum, value: Value) -> int:
    bits = _width(ref, kind)
    number = value
    if isinstance(value, str):
        named = {enumerator.name: enumerator.value for enumerator in kind.values}
        parts = [part.strip() for part in value.split("|")]
        if all(part in named for part in parts):
            number = 0
            for part in parts:
                number |= named[part]
        elif _NUMBER.fullmatch(value.strip()):
            number = int(value, 16 if "x" in value.lower() else 10)
    low, high = integer_range(bits, signed=kind.signed)
    if not isinstance(number, int) or not low <= number <= high:
        names = [safe(enumerator.name) for enumerator in kind.values[:_MAX_LISTED]]
        more = ", ..." if len(kind.values) > _MAX_LISTED else ""
        known = f"{', '.join(names)}{more}"
        raise _refusal(ref, value, f"one of {known}, or a number from {low} to {high}")
    return number


def _float_bytes(ref: VariableRef, value: Value, size: int) -> bytes:
    try:
        if isinstance(value, int | float | str):
            return struct.pack(_FLOATS[size], float(value))
    except (ValueError, OverflowError, KeyError):
        pass
    raise _refusal(ref, value, f"a number that a float of {size} bytes holds")


def _write_array(area: bytearray, ref: VariableRef, kind: Array, value: Value) -> None:
    size = size_of(ref.btf, ref.type)
    at = ref.offset // 8
    _, element = skip_mods_and_typedefs(ref.btf, kind.type)
    if isinstance(value, str) and isinstance(element, Int) and element.name == "char":
        raw = value.encode("utf-8", "surrogateescape")
        if len(raw) >= size:
            most = max(0, size - 1)
            raise _refusal(ref, value, f"a text of at most {most} bytes, not {len(raw)}")
        area[at : at + size] = raw.ljust(size, b"\0")
        return
    if isinstance(value, Mapping) or not isinstance(value, str | Sequence):
        raise _refusal(ref, value, f"at most {kind.nelems} values, such as 1,2,3")
    items = _split(value) if isinstance(value, str) else value
    if len(items) > kind.nelems:
        raise _refusal(ref, value, f"at most {kind.nelems} values, not {len(items)}")
    area[at : at + size] = bytes(size)
    for index, item in enumerate(items):
        element_ref = ref.element(index)
        assert element_ref
        write(area, element_ref, item)


def _split(text: str) -> list[str]:
    """Split at the commas outside of brackets."""
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    items, depth, start = [], 0, 0
    for at, character in enumerate(text):
        depth += {"[": 1, "]": -1}.get(character, 0)
        if character == "," and not depth:
            items.append(text[start:at].strip())
            start = at + 1
    rest = text[start:].strip()
    return [*items, rest] if items or rest else []


def _write_members(area: bytearray, ref: VariableRef, value: Value) -> None:
    names = [member.name for member in _members(ref)]
    if not isinstance(value, Mapping):
        shown = ", ".join([safe(f"{ref.name}.{name}") for name in names[:_MAX_LISTED]])
        more = ", ..." if len(names) > _MAX_LISTED else ""
        raise _refusal(ref, value, f"one of its members to be set: {shown}{more}")
    for name, item in value.items():
        member = ref.member(name)
        if member is None:
            known = ", ".join(map(safe, names[:_MAX_LISTED]))
            raise _refusal(ref, name, f"one of its members: {known}")
        write(area, member, item)


def _refusal(ref: VariableRef, value: Value, expected: str) -> UsageError:
    shown = safe(value if isinstance(value, str) else repr(value))
    if len(shown) > _MAX_SHOWN:
        shown = shown[:_MAX_SHOWN] + "..."
    kind = c_type(ref.btf, skip_mods(ref.btf, ref.type))
    bits = f":{ref.bits}" if ref.bits else ""
    return UsageError(f"variable '{safe(ref.name)}' ({kind}{bits}): '{shown}': expected {expected}")
