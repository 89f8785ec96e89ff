"""A value that a user gives -> the bytes of a BTF type: text as on the command line, or Python's own values.

::

    integers     42  -7  0x2a  'x'      a quoted character is its code; so is a bare one for char
    ..of 64 bits 10ms  1.5s  1h2m       nanoseconds, or the unit that the name ends with: min_us, timeout_ms
    bool         true  false  yes  no  on  off  1  0
    enum         NAME  NAME|NAME  3
    char[]       any text that leaves room for its NUL
    ipv4_addr    10.0.0.1               typedefs of 4 bytes; ipv6_addr of 16: fe80::1
    arrays       1,2,3  [1,2,3]  [[1,2],[3,4]]      what is not given is 0
"""

import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.cformat import c_type
from beepy.btf.layout import named_members, size_of, skip_mods, skip_mods_and_typedefs, typedef_names
from beepy.btf.types import AnyEnum, Array, Int, TypeId
from beepy.errors import BtfError, UsageError
from beepy.obj.spec import Value
from beepy.text import safe

_NUMBER: Final = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]{1,40}|[0-9]{1,40})")
_CHARACTER: Final = re.compile(r"'([^'])'")
_DURATION: Final = re.compile(r"(\d{1,19})(?:\.(\d{1,9}))?(ns|us|µs|ms|s|m|h)")
_BOOLS: Final = {"true": 1, "yes": 1, "on": 1, "1": 1, "false": 0, "no": 0, "off": 0, "0": 0}
_FLOATS: Final = {2: "<e", 4: "<f", 8: "<d"}
_NANOSECONDS: Final = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_NAMED_UNITS: Final = {
    **{name: _NANOSECONDS[name] for name in ("ns", "us", "ms", "s")},
    "nsec": 1,
    "usec": 10**3,
    "msec": 10**6,
    "sec": 10**9,
    "seconds": 10**9,
}
_ADDRESSES: Final = {"ipv4_addr": (4,), "ipv6_addr": (16, 4)}  # bee's ipv6_addr is a u32 of four dotted bytes
_SHOWN: Final = 40  # characters of a value in a message
_LISTED: Final = 12  # names in a message
_MAX_MEMBERS: Final = 1 << 16  # of one struct, without a name or with one: structs in structs could be any number
_MAX_INT: Final = 16  # bytes


class Place(NamedTuple):
    """Where a value stands: ``offset`` (bits) within its variable's bytes; ``bits`` is 0 unless it is a bitfield.

    ``name`` is as the user wrote it, down to the member.
    """

    btf: Btf
    name: str
    type: TypeId
    offset: int = 0
    bits: int = 0

    def member(self, name: str) -> "Place | None":
        """Return the place of a member, those of anonymous members among them; None if there is none."""
        for one in _members(self):
            if one.name == name:
                return one._replace(name=f"{self.name}.{name}")
        return None

    def element(self, index: int) -> "Place | None":
        """Return the place of an array's element; None beyond its end."""
        _, array = skip_mods_and_typedefs(self.btf, self.type)
        if not isinstance(array, Array) or index >= array.nelems:
            return None
        offset = self.offset + index * size_of(self.btf, array.type) * 8
        return Place(self.btf, f"{self.name}[{index}]", array.type, offset)


def write(area: bytearray, place: Place, value: Value) -> None:
    """Write ``value`` into the variable's bytes.

    Raises UsageError that says what fits, BtfError for malformed types.
    """
    size = size_of(place.btf, place.type)
    if place.offset + (place.bits or size * 8) > len(area) * 8:
        raise BtfError(f"{place.btf.name}: '{safe(place.name)}': exceeds the {len(area)} bytes of its variable")
    if isinstance(value, bytes):
        _raw(area, place, value, size)
        return
    if _address(area, place, value, size):
        return
    _, found = skip_mods_and_typedefs(place.btf, place.type)
    match found:
        case types.Int():
            _put(area, place, size, _integer(place, found, value))
        case types.Enum() | types.Enum64():
            _put(area, place, size, _enumerator(place, found, value))
        case types.Float():
            at = place.offset // 8
            area[at : at + size] = _float(place, value, size)
        case types.Array():
            _array(area, place, found, value)
        case types.Struct() | types.Union():
            _composite(area, place, value)
        case _:
            raise _refusal(place, value, "a type that has values: this one cannot be set")


def _members(place: Place) -> Iterator[Place]:
    """Return the members that have names, those of anonymous members among them."""
    for count, hit in enumerate(named_members(place.btf, place.type)):
        if count >= _MAX_MEMBERS:
            raise BtfError(f"{place.btf.name}: '{safe(place.name)}': more than {_MAX_MEMBERS} members")
        member = hit.member
        yield Place(place.btf, member.name, member.type, place.offset + hit.offset, member.bitfield_size)


def _put(area: bytearray, place: Place, size: int, number: int) -> None:
    bits = place.bits or size * 8
    first, last = place.offset // 8, -(-(place.offset + bits) // 8)
    shift, mask = place.offset % 8, (1 << bits) - 1
    before = int.from_bytes(area[first:last], "little") & ~(mask << shift)
    area[first:last] = (before | (number & mask) << shift).to_bytes(last - first, "little")


def _raw(area: bytearray, place: Place, value: bytes, size: int) -> None:
    _, found = skip_mods_and_typedefs(place.btf, place.type)
    row = isinstance(found, Array) and size_of(place.btf, found.type) == 1
    if place.bits or not (len(value) == size or (row and len(value) < size)):
        raise _refusal(place, value, f"{'at most ' if row else ''}{size} bytes, not {len(value)}")
    at = place.offset // 8
    area[at : at + size] = value.ljust(size, b"\0")


def _address(area: bytearray, place: Place, value: Value, size: int) -> bool:
    """Write an address; tell whether the type's name says that it is one, and the value is none of another kind."""
    if not isinstance(value, str) or size not in _ADDRESSES.get(_typedef(place), ()):
        return False
    from socket import AF_INET, AF_INET6, inet_pton  # noqa: PLC0415 - few have such variables

    if size == 4 and _NUMBER.fullmatch(value):
        return False  # as the integer that it is
    try:
        raw = inet_pton(AF_INET if size == 4 else AF_INET6, value.strip())
    except (OSError, ValueError):
        raise _refusal(place, value, "an address such as " + ("10.0.0.1" if size == 4 else "fe80::1")) from None
    at = place.offset // 8
    area[at : at + size] = raw
    return True


def _typedef(place: Place) -> str:
    """Return the first name among the type's typedefs that has a meaning here, "" if none has."""
    names = typedef_names(place.btf, place.type)
    return next((name for name in names if name in _ADDRESSES or name == "duration"), "")


def _bits(place: Place, kind: Int | AnyEnum) -> int:
    """Return how many bits a value has. Raises BtfError where its type does not have so many."""
    bits = place.bits or (kind.bits if isinstance(kind, Int) else kind.size * 8)
    if not 0 < bits <= 8 * kind.size <= 8 * _MAX_INT:
        name = f"{place.btf.name}: variable '{safe(place.name)}': type {c_type(place.btf, place.type)}"
        raise BtfError(f"{name}: {bits} bits in {kind.size} bytes: it cannot be set")
    return bits


def _integer(place: Place, kind: Int, value: Value) -> int:
    bits = _bits(place, kind)
    if kind.bool:
        number = _BOOLS.get(value.strip().lower()) if isinstance(value, str) else value
        if not isinstance(number, int) or number not in (0, 1):
            raise _refusal(place, value, "true or false")
        return number
    number = _number(place, kind, value) if isinstance(value, str) else value
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if kind.signed else (0, (1 << bits) - 1)
    if not isinstance(number, int) or not low <= number <= high:
        more = ", or a duration such as 10ms" if _unit(place, kind) else ""
        raise _refusal(place, value, f"a number from {low} to {high}{more}")
    return number


def _number(place: Place, kind: Int, text: str) -> int | None:
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return int(text, 16 if "x" in text.lower() else 10)
    if character := _CHARACTER.fullmatch(text) or (kind.name == "char" and re.fullmatch("(.)", text)):
        return ord(character[1])
    unit = _unit(place, kind)
    if not unit or not re.fullmatch(f"(?:{_DURATION.pattern})+", text):
        return None
    total = 0
    for whole, part, name in _DURATION.findall(text):
        total += int(whole + part) * _NANOSECONDS[name] * 10 ** (9 - len(part))
    if total % (unit * 10**9):
        raise _refusal(place, text, f"a multiple of the unit that its name says, of {unit} ns")
    return total // (unit * 10**9)


def _unit(place: Place, kind: Int) -> int:
    """Return the nanoseconds of what an integer may count, 0 if it counts no time."""
    if _typedef(place) == "duration":
        return 1
    _, underscore, last = place.name.rstrip("[0123456789]").rpartition("_")
    named = _NAMED_UNITS.get(last.lower(), 0) if underscore else 0
    return named or (1 if kind.size == 8 and not place.bits else 0)


def _enumerator(place: Place, kind: AnyEnum, value: Value) -> int:
    bits = _bits(place, kind)
    number = value
    if isinstance(value, str):
        named = {one.name: one.value for one in kind.values}
        parts = [part.strip() for part in value.split("|")]
        if all(part in named for part in parts):
            number = 0
            for part in parts:
                number |= named[part]
        elif _NUMBER.fullmatch(value.strip()):
            number = int(value, 16 if "x" in value.lower() else 10)
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if kind.signed else (0, (1 << bits) - 1)
    if not isinstance(number, int) or not low <= number <= high:
        names = [safe(one.name) for one in kind.values[:_LISTED]]
        more = ", ..." if len(kind.values) > _LISTED else ""
        raise _refusal(place, value, f"one of {', '.join(names)}{more}, or a number from {low} to {high}")
    return number


def _float(place: Place, value: Value, size: int) -> bytes:
    try:
        if isinstance(value, int | float | str):
            return struct.pack(_FLOATS[size], float(value))
    except (ValueError, OverflowError, KeyError):
        pass
    raise _refusal(place, value, f"a number that a float of {size} bytes holds")


def _array(area: bytearray, place: Place, kind: Array, value: Value) -> None:
    size = size_of(place.btf, place.type)
    at = place.offset // 8
    _, element = skip_mods_and_typedefs(place.btf, kind.type)
    if isinstance(value, str) and isinstance(element, Int) and element.name == "char":
        raw = value.encode("utf-8", "surrogateescape")
        if len(raw) >= size:
            raise _refusal(place, value, f"a text of at most {max(0, size - 1)} bytes, not {len(raw)}")
        area[at : at + size] = raw.ljust(size, b"\0")
        return
    if isinstance(value, Mapping) or not isinstance(value, str | Sequence):
        raise _refusal(place, value, f"at most {kind.nelems} values, such as 1,2,3")
    items = _items(value) if isinstance(value, str) else value
    if len(items) > kind.nelems:
        raise _refusal(place, value, f"at most {kind.nelems} values, not {len(items)}")
    area[at : at + size] = bytes(size)
    for index, item in enumerate(items):
        one = place.element(index)
        assert one
        write(area, one, item)


def _items(text: str) -> list[str]:
    """Return what commas outside of brackets separate."""
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


def _composite(area: bytearray, place: Place, value: Value) -> None:
    names = [one.name for one in _members(place)]
    if not isinstance(value, Mapping):
        shown = ", ".join([safe(f"{place.name}.{name}") for name in names[:_LISTED]])
        raise _refusal(place, value, f"one of its members to be set: {shown}{', ...' if len(names) > _LISTED else ''}")
    for name, item in value.items():
        one = place.member(name)
        if one is None:
            raise _refusal(place, name, f"one of its members: {', '.join(map(safe, names[:_LISTED]))}")
        write(area, one, item)


def _refusal(place: Place, value: Value, expected: str) -> UsageError:
    shown = safe(value if isinstance(value, str) else repr(value))
    if len(shown) > _SHOWN:
        shown = shown[:_SHOWN] + "..."
    kind = c_type(place.btf, skip_mods(place.btf, place.type))
    bits = f":{place.bits}" if place.bits else ""
    return UsageError(f"variable '{safe(place.name)}' ({kind}{bits}): '{shown}': expected {expected}")
