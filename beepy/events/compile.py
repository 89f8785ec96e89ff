"""From BTF types to codecs: every kind that can stand in a record.

A malformed type is a BtfError, and every walk is bounded: in depth, and in how many members are looked at.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.layout import MAX_DEPTH, resolve, size_of
from beepy.btf.types import AnyEnum, Bits, Composite, Int, Member, TypeId
from beepy.errors import BtfError
from beepy.events import render, semantics
from beepy.events.batch import KernelTypes
from beepy.events.budget import MEMBER, Budget
from beepy.events.codec import Codec, Value
from beepy.text import safe

MAX_MEMBERS: Final = 4096  # of one record, arrays of structs counted once
MAX_COST: Final = 1 << 16  # functions that are called for one record, arrays of structs counted element by element
_AT_ONCE: Final = 16  # plain elements of an array that are made in the time of a function
_BYTES_AT_ONCE: Final = 1024  # of a text
MAX_ENUMERATORS: Final = 1 << 17  # of all enums in one record
_MAX_SAME: Final = 16  # members of one name: each gets one more "_"
_MAX_INT: Final = 16  # bytes

_UNSIGNED: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}
_SIGNED: Final = {1: "b", 2: "h", 4: "i", 8: "q"}
_WIDTHS: Final = {1: 4, 2: 6, 4: 8, 8: 16}  # characters that integers of so many bytes usually take
_FLOATS: Final = {2: "e", 4: "f", 8: "d"}
_LONG_FLOATS: Final = (10, 12, 16)  # bytes; no Python type holds them
_MAX_WIDTH: Final = 32
_MIN_FLAGS: Final = 3

Meanings = Mapping[str, Callable[[Any], Value]]


class Place(NamedTuple):
    """A member where it stands in the value that was walked; ``bits`` is 0 unless it is a bitfield.

    ``name`` is new at its level, ``own`` what BTF says.
    """

    name: str
    own: str
    type: TypeId
    offset: Bits
    bits: int


class Compiler:
    """Makes codecs of the types in ``btf``; ``meanings`` are typedefs that enrich explains (they come first).

    ``kernel`` returns the types of the kernel that numbers its own enums; it is asked only where a named enum is met.
    """

    def __init__(self, btf: Btf, meanings: Meanings, kernel: KernelTypes, budget: Budget) -> None:
        self._btf = btf
        self._meanings = meanings
        self._kernel = kernel
        self._budget = budget
        self._left = MAX_MEMBERS
        self._enumerators_left = MAX_ENUMERATORS
        self._codecs: dict[TypeId, Codec] = {}
        # by id(), which Btf keeps alive, and bits
        self._enums: dict[tuple[int, int], tuple[Callable[[int], Value], int]] = {}

    def composite(self, type_id: TypeId) -> Composite | None:
        """Return the struct or union that the type is; None if it is another kind, or has a meaning as a whole."""
        _, found = resolve(self._btf, type_id)
        if isinstance(found, types.Struct | types.Union) and not self._meaning(type_id, found.size):
            return found
        return None

    def members(self, composite: Composite, taken: set[str], depth: int = 0, base: int = 0) -> Iterator[Place]:
        """Return the members in their order, anonymous structs and unions inlined.

        ``taken`` are the names that exist at this level; one that exists already gets ``_`` appended.
        """
        if depth > MAX_DEPTH:
            raise BtfError(f"{self._where(composite)}: nested deeper than {MAX_DEPTH}")
        for member in composite.members:
            self._budget.spend(MEMBER)
            self._left -= 1
            if self._left < 0:
                raise BtfError(f"{self._where(composite)}: more than {MAX_MEMBERS} members")
            end = member.offset + self._bits(member)
            if end > 8 * composite.size:
                name = safe(member.name)
                raise BtfError(f"{self._where(composite)}: member '{name}': ends at bit {end} of {8 * composite.size}")
            inner = self.composite(member.type)
            if inner and (member.offset % 8 or member.bitfield_size):
                raise BtfError(
                    f"{self._where(composite)}: member '{safe(member.name)}': only integers can be bitfields"
                )
            if inner and not member.name:
                yield from self.members(inner, taken, depth + 1, base + member.offset)
            else:
                own = member.name or "_"
                name = distinct(own, taken)
                yield Place(name, own, member.type, Bits(base + member.offset), member.bitfield_size)

    def leaf(self, place: Place, depth: int = 0) -> tuple[int, Codec]:
        """Return the byte where the member's item begins, and its codec; of a bitfield: all bytes that it touches."""
        _, found = resolve(self._btf, place.type)
        start, shift = divmod(place.offset, 8)
        if not shift and not place.bits:
            return start, self.codec(place.type, depth)
        match found:
            case types.Int():
                return start, self._bitfield(found, shift + found.bit_offset, place.bits or found.bits)
            case types.Enum() | types.Enum64():
                return start, self._bitfield(found, shift, place.bits or 8 * found.size)
            case _:
                raise BtfError(f"{self._btf.name}: member '{safe(place.name)}': only integers can be bitfields")

    def codec(self, type_id: TypeId, depth: int = 0) -> Codec:
        """Return what reads a value of the type."""
        if depth > MAX_DEPTH:
            raise BtfError(f"{self._btf.name}: type {type_id}: nested deeper than {MAX_DEPTH}")
        codec = self._codecs.get(type_id)
        if codec is None:
            codec = self._codecs[type_id] = self._codec(type_id, depth)
        return codec

    def _bits(self, member: Member) -> int:
        """Return the bits from the member's offset to its end."""
        _, found = resolve(self._btf, member.type)
        if isinstance(found, types.Int):  # an old compiler's bitfield may be declared wider than what is left
            return found.bit_offset + (member.bitfield_size or found.bits)
        return member.bitfield_size or 8 * size_of(self._btf, member.type)

    def _codec(self, type_id: TypeId, depth: int) -> Codec:
        resolved, found = resolve(self._btf, type_id)
        size = size_of(self._btf, resolved)
        meaning = self._meaning(type_id, size)
        if callable(meaning):
            return self._enriched(resolved, meaning, depth)
        if meaning:
            signed = isinstance(found, types.Int) and found.signed
            return meaning._replace(code=meaning.code.lower()) if signed else meaning
        match found:
            case types.Int():
                return self._integer(found)
            case types.Enum() | types.Enum64():
                return self._enum(found)
            case types.Ptr():
                return Codec("Q", 8, "0x{:x}".format, str, width=18)
            case types.Float():
                return self._real(size)
            case types.Array():
                return self._array(found, size, depth)
            case types.Struct() | types.Union():
                return self._struct(found, depth)
            case _:
                raise BtfError(f"{self._btf.name}: type {type_id}: a {type(found).__name__.lower()} has no value")

    def _where(self, composite: Composite) -> str:
        kind = "struct" if isinstance(composite, types.Struct) else "union"
        return f"{self._btf.name}: {kind} {safe(composite.name) or '(anonymous)'}"

    def _meaning(self, type_id: TypeId, size: int) -> Codec | Callable[[Any], Value] | None:
        """Return what the outermost typedef with a meaning says."""
        for _ in range(MAX_DEPTH):
            match self._btf.type(type_id):
                case types.Typedef(name, target):
                    meaning = self._meanings.get(name) or semantics.TABLE.get(name, {}).get(size)
                    if meaning:
                        return meaning
                    type_id = target
                case types.Const(target) | types.Volatile(target) | types.Restrict(target) | types.TypeTag(_, target):
                    type_id = target
                case _:
                    break
        return None

    def _enriched(self, resolved: TypeId, meaning: Callable[[Any], Value], depth: int) -> Codec:
        plain = self.codec(resolved, depth)
        value = _chain(plain.value, meaning)
        return plain._replace(value=value, text=str, width=16, number=False, few=True, integer="", inner=())

    def _integer(self, found: Int) -> Codec:
        if not 0 < found.size <= _MAX_INT or found.bit_offset + found.bits > 8 * found.size:
            bits = f"{found.bits} bits from bit {found.bit_offset} on in {found.size} bytes"
            raise BtfError(f"{self._btf.name}: int {safe(found.name)}: {bits}")
        if found.bits != 8 * found.size or found.bit_offset:
            return self._bitfield(found, found.bit_offset, found.bits)
        if is_bool(found):
            if found.size > 1:
                return _wide(found.size, bool, signed=False)
            return Codec("?", 1, None, render.boolean, 5, stands_for=int)
        if code := _integer_code(found):
            return Codec(code, found.size, None, str, width=_WIDTHS[found.size], number=True)
        return _wide(found.size, None, signed=found.signed)

    def _real(self, size: int) -> Codec:
        code = _FLOATS.get(size)
        if code:
            value = partial(render.narrow, size=size) if size < 8 else None
            return Codec(code, size, value, render.real, width=12, number=True)
        if size not in _LONG_FLOATS:
            raise BtfError(f"{self._btf.name}: a float of {size} bytes")
        return Codec(f"{size}s", size, bytes.hex, str, width=2 * size)

    def _enum(self, found: AnyEnum) -> Codec:
        if not (code := _integer_code(found)):
            raise BtfError(f"{self._btf.name}: enum {safe(found.name)}: size {found.size}")
        named, width = self._named(found, 8 * found.size)
        return Codec(code, found.size, named, str, width, few=True, stands_for=int)

    def _named(self, found: AnyEnum, bits: int) -> tuple[Callable[[int], Value], int]:
        """Return value -> name where so many bits hold it, and the width that names take."""
        known = self._enums.get((id(found), bits))
        if known is None:
            numbered = self._numbered(found)
            self._budget.spend(len(numbered.values))
            self._enumerators_left -= len(numbered.values)
            if self._enumerators_left < 0:
                name = safe(found.name)
                raise BtfError(f"{self._btf.name}: enum {name}: more than {MAX_ENUMERATORS} enumerators in a record")
            width = max([len(value.name) for value in numbered.values], default=8)
            known = self._enums[id(found), bits] = (_enumerator(numbered, bits), min(width, _MAX_WIDTH))
        return known

    def _numbered(self, found: AnyEnum) -> AnyEnum:
        kernel = self._kernel() if found.name else None
        if kernel is None:
            return found
        from beepy.events.kernel_enums import renumbered  # noqa: PLC0415 - few records hold an enum

        return renumbered(found, kernel)

    def _bitfield(self, found: Int | AnyEnum, shift: int, bits: int) -> Codec:
        """Read ``bits`` bits from bit ``shift`` of the item on (little endian: from the lowest bit up)."""
        if not 0 < bits <= 8 * found.size or found.size > _MAX_INT:
            name = safe(found.name)
            raise BtfError(f"{self._btf.name}: type {name}: a bitfield of {bits} bits in {found.size} bytes")
        size = (shift + bits + 7) // 8
        extract = partial(_extract, shift, (1 << bits) - 1, 1 << bits - 1 if found.signed else 0)
        code = f"{size}s"
        match found:
            case types.Int():
                if is_bool(found):
                    known = partial(_extract_bool, extract)
                    return Codec(code, size, known, render.boolean, 5, few=True, stands_for=known, integer="?")
                width, integer = max(4, bits // 4), _integer_code(found)
                return Codec(code, size, extract, str, width, number=True, few=True, integer=integer)
            case types.Enum() | types.Enum64():
                named, width = self._named(found, bits)
                return Codec(code, size, lambda raw: named(extract(raw)), str, width, few=True, stands_for=extract)

    def _array(self, found: types.Array, size: int, depth: int) -> Codec:
        _, element = resolve(self._btf, found.type)
        code = f"{size}s"
        if isinstance(element, types.Int) and element.size == 1 and element.bits == 8 and not is_bool(element):
            meant = self._meaning(found.type, 1)
            if not meant and element.name == "char":  # gcc sets the encoding CHAR on unsigned char, too
                return self._bytes(render.text, size, width=size)
            if not meant and not element.signed:
                return self._bytes(bytes.hex, size, width=2 * size)
        each = self.codec(found.type, depth + 1)
        width = min(max((each.width + 1) * found.nelems + 1, 2), _MAX_WIDTH)
        text = partial(_bracketed, each.text)
        step = size_of(self._btf, found.type)
        if not step:
            return Codec(code, size, lambda _raw: (), text, width, inner=(("", each),))
        cost = self._affordable(each.cost * found.nelems if each.value else 1 + found.nelems // _AT_ONCE)
        read = partial(_elements, struct.Struct(f"<{each.code}{step - each.size}x"), each.value)
        if found.nelems:
            return Codec(code, size, read, text, width, cost=cost, inner=(("", each),))
        most = MAX_COST // each.cost if each.value else MAX_COST * _AT_ONCE
        return Codec(code, size, partial(_as_many, read, step, most), text, _MAX_WIDTH, open=True, inner=(("", each),))

    def _bytes(self, value: Callable[[bytes], str], size: int, width: int) -> Codec:
        cost = self._affordable(1 + size // _BYTES_AT_ONCE)
        width = min(width, _MAX_WIDTH) if size else _MAX_WIDTH
        return Codec(f"{size}s", size, value, str, width, few=True, open=True, cost=cost)

    def _affordable(self, cost: int) -> int:
        """Return ``cost``; a type of few bytes may ask for any number of values: unions of unions of unions."""
        if cost > MAX_COST:
            raise BtfError(f"{self._btf.name}: more than {MAX_COST} values in a record")
        return cost

    def _struct(self, found: Composite, depth: int) -> Codec:
        """Read a struct inside an array: its value is a dict."""
        readers = []
        inner = []
        cost = 1
        for place in self.members(found, set(), depth):
            start, codec = self.leaf(place, depth + 1)
            readers.append((place.name, cut(codec, start)))
            inner.append((place.name, codec))
            cost = self._affordable(cost + codec.cost)
        read, text = partial(_members, tuple(readers)), partial(_braced, tuple([codec.text for _, codec in inner]))
        return Codec(f"{found.size}s", found.size, read, text, _MAX_WIDTH, cost=cost, inner=tuple(inner))


def distinct(name: str, taken: set[str]) -> str:
    """Return ``name`` with as many ``_`` appended as make it new, and add it to ``taken``."""
    for _ in range(_MAX_SAME):
        if name not in taken:
            taken.add(name)
            return name
        name += "_"
    raise BtfError(f"member '{safe(name)}': more than {_MAX_SAME} of that name")


def cut(codec: Codec, start: int) -> Callable[[bytes], Value]:
    """Return what reads the value at byte ``start`` of some bytes."""
    return partial(_cut, struct.Struct(f"<{codec.code}"), start, codec.value)


def _cut(unpacker: struct.Struct, start: int, value: Callable[[Any], Value] | None, raw: bytes) -> Value:
    (item,) = unpacker.unpack_from(raw, start)
    return value(item) if value else item


def _chain(first: Callable[[Any], Value] | None, then: Callable[[Any], Value]) -> Callable[[Any], Value]:
    return then if first is None else lambda item: then(first(item))


def _integer_code(found: Int | AnyEnum) -> str:
    """Return ``struct``'s code of an integer of that size, "" if it has none."""
    return (_SIGNED if found.signed else _UNSIGNED).get(found.size, "")


def is_bool(found: Int) -> bool:
    """Say whether it is C's bool; clang sets the encoding, other compilers may not."""
    return found.bool or found.name in {"_Bool", "bool"}


def _wide(size: int, then: Callable[[int], int] | None, *, signed: bool) -> Codec:
    def value(raw: bytes) -> int:
        number = int.from_bytes(raw, "little", signed=signed)
        return then(number) if then else number

    if then:
        return Codec(f"{size}s", size, value, render.boolean, width=5, stands_for=value, integer="?")
    return Codec(f"{size}s", size, value, str, width=24, number=True)


def _extract(shift: int, mask: int, sign: int, raw: bytes) -> int:
    number = int.from_bytes(raw, "little") >> shift & mask
    return (number ^ sign) - sign


def _extract_bool(extract: Callable[[bytes], int], raw: bytes) -> bool:
    return extract(raw) != 0


def _enumerator(found: AnyEnum, width: int) -> Callable[[int], Value]:
    """Return value -> name, or number if it has none; ``width`` bits are read.

    Up to 14 clang writes -1 of an enum as if it were unsigned, in 32 bits however many the member has.
    An enum of at least three single bits, and of nothing else but 0, is one of flags: a value without a name of its own
    is the names of its bits, joined by ``|``, what remains of it in hex.
    """
    names: dict[int, str] = {}
    for name, value in found.values:
        names.setdefault(value if found.signed else value & (1 << width) - 1, name)
    bits = {value: name for value, name in names.items() if value}
    if len(bits) < _MIN_FLAGS or any(value < 0 or value & value - 1 for value in bits):
        return lambda value: names.get(value, value)
    return partial(_flags, names, sorted(bits.items()))


def _flags(names: Mapping[int, str], bits: list[tuple[int, str]], value: int) -> Value:
    if value in names:
        return names[value]
    known = [(bit, name) for bit, name in bits if value & bit] if value > 0 else []
    if not known:
        return value
    rest = value & ~sum(bit for bit, _ in known)
    return "|".join([name for _, name in known] + ([f"{rest:#x}"] if rest else []))


def _elements(unpacker: struct.Struct, value: Callable[[Any], Value] | None, raw: bytes) -> tuple[Value, ...]:
    items = [item for (item,) in unpacker.iter_unpack(raw)]
    return tuple(map(value, items)) if value else tuple(items)


def _as_many(read: Callable[[bytes], tuple[Value, ...]], step: int, most: int, raw: bytes) -> tuple[Value, ...]:
    """Read the elements of ``step`` bytes that are whole in ``raw``, at most ``most`` of them."""
    return read(raw[: min(len(raw) // step, most) * step])


def _bracketed(text: Callable[[Any], str], values: tuple[Value, ...]) -> str:
    return f"[{' '.join(map(text, values))}]"


def _members(readers: tuple[tuple[str, Callable[[bytes], Value]], ...], raw: bytes) -> dict[str, Value]:
    return {name: read(raw) for name, read in readers}


def _braced(texts: tuple[Callable[[Any], str], ...], values: dict[str, Value]) -> str:
    return f"{{{' '.join([text(value) for text, value in zip(texts, values.values(), strict=True)])}}}"
