"""BTF types -> codecs, for every kind of type that a record can hold.

::

    struct event {              fields.py walks members(), and calls leaf() for each:
      u32 pid;                  leaf -> codec -> _integer "I"
      u8 ttl : 4;               leaf -> _bitfield "1s"
      struct hop hops[3];       leaf -> codec -> _array -> codec -> _struct -> members, leaf ...
    };

A malformed type is a BtfError. Every walk is bounded, in depth and in the members that it reads:
types come from the image, and a few bytes of them can describe an enormous record.
"""

import struct
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, NamedTuple

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.layout import MAX_DEPTH, size_of, skip_mods_and_typedefs
from beepy.btf.types import AnyEnum, Bits, Composite, Int, Member, TypeId
from beepy.errors import BtfError
from beepy.events import codec as codecs
from beepy.events import go_format, semantics
from beepy.events.batch import KernelTypes
from beepy.events.budget import MEMBER, Budget
from beepy.events.codec import Codec, Value
from beepy.text import safe

MAX_MEMBERS: Final = 4096  # of one record, arrays of structs counted once
MAX_CALLS: Final = 1 << 16  # functions called for one record, for each element of arrays of structs
MAX_ENUMERATORS: Final = 1 << 17  # of all enums in one record
_ELEMENTS_PER_CALL: Final = 16  # plain elements of an array, unpacked in the time of one call
_TEXT_PER_CALL: Final = 1024  # bytes of a text, decoded in the time of one call
_MAX_SAME: Final = 16  # members of one name: each gets one more "_"
_MAX_INT: Final = 16  # bytes

_UNSIGNED: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}  # in lower case the signed ones
_FLOATS: Final = {2: "e", 4: "f", 8: "d"}
_LONG_FLOATS: Final = (10, 12, 16)  # bytes; no Python type holds them
_WIDTHS: Final = {1: 4, 2: 6, 4: 8, 8: 16}  # bytes of an integer -> characters it usually takes
_MAX_WIDTH: Final = 32


class MemberAt(NamedTuple):
    """A member of a struct or union, with its offset from the beginning of the outermost one.

    ``name`` is distinct among its siblings, ``btf_name`` is the name in BTF. ``bits`` is 0 unless
    the member is a bitfield.
    """

    name: str
    btf_name: str
    type: TypeId
    offset: Bits
    bits: int


class Compiler:
    """Makes codecs of the types in ``btf``.

    ``kernel`` returns the types of the kernel, whose numbers its own enums have; it is called only
    for named enums.
    """

    def __init__(self, btf: Btf, kernel: KernelTypes, budget: Budget) -> None:
        self._btf = btf
        self._kernel = kernel
        self._budget = budget
        self._members_left = MAX_MEMBERS
        self._enumerators_left = MAX_ENUMERATORS
        self._codecs: dict[TypeId, Codec] = {}
        # an enum has no id here: by id(), unique because Btf keeps the object alive, and by bits
        self._namers: dict[tuple[int, int], tuple[Callable[[int], Value], int]] = {}

    def composite(self, type_id: TypeId) -> Composite | None:
        """Return the struct or union that the type is, None if it is to be read by a codec."""
        _, resolved = skip_mods_and_typedefs(self._btf, type_id)
        if not isinstance(resolved, types.Struct | types.Union):
            return None
        return None if semantics.codec(self._btf, type_id, resolved.size) else resolved

    def members(
        self, composite: Composite, taken: set[str], depth: int = 0, base: int = 0
    ) -> Iterator[MemberAt]:
        """Yield the members in their order, with those of anonymous structs and unions inlined.

        ``taken`` are the names of this level so far; a name among them gets ``_`` appended.
        """
        if depth > MAX_DEPTH:
            raise BtfError(f"{self._title(composite)}: nested deeper than {MAX_DEPTH}")
        for member in composite.members:
            self._budget.spend(MEMBER)
            self._members_left -= 1
            if self._members_left < 0:
                raise BtfError(f"{self._title(composite)}: more than {MAX_MEMBERS} members")
            end = member.offset + self._bits(member)
            if end > 8 * composite.size:
                title = self._member_title(composite, member)
                raise BtfError(f"{title}: ends at bit {end} of {8 * composite.size}")
            inner = self.composite(member.type)
            if inner and (member.offset % 8 or member.bitfield_size):
                title = self._member_title(composite, member)
                raise BtfError(f"{title}: only integers can be bitfields")
            if inner and not member.name:
                yield from self.members(inner, taken, depth + 1, base + member.offset)
            else:
                btf_name = member.name or "_"
                name = distinct(btf_name, taken)
                offset = Bits(base + member.offset)
                yield MemberAt(name, btf_name, member.type, offset, member.bitfield_size)

    def leaf(self, member: MemberAt, depth: int = 0) -> tuple[int, Codec]:
        """Return the byte where the member's item begins, and its codec. Raises BtfError.

        The item of a bitfield is all bytes that contain a bit of it.
        """
        _, resolved = skip_mods_and_typedefs(self._btf, member.type)
        start, shift = divmod(member.offset, 8)
        if not shift and not member.bits:
            return start, self.codec(member.type, depth)
        match resolved:
            case types.Int():
                bits = member.bits or resolved.bits
                return start, self._bitfield(resolved, shift + resolved.bit_offset, bits)
            case types.Enum() | types.Enum64():
                return start, self._bitfield(resolved, shift, member.bits or 8 * resolved.size)
            case _:
                title = f"{self._btf.name}: member '{safe(member.name)}'"
                raise BtfError(f"{title}: only integers can be bitfields")

    def codec(self, type_id: TypeId, depth: int = 0) -> Codec:
        """Return the codec of values of the type. Raises BtfError if it is malformed."""
        if depth > MAX_DEPTH:
            raise BtfError(f"{self._btf.name}: type {type_id}: nested deeper than {MAX_DEPTH}")
        codec = self._codecs.get(type_id)
        if codec is None:
            codec = self._codecs[type_id] = self._codec(type_id, depth)
        return codec

    def _bits(self, member: Member) -> int:
        """Return the bits from the member's offset to its end."""
        _, resolved = skip_mods_and_typedefs(self._btf, member.type)
        if isinstance(resolved, types.Int):
            # old compilers declare a bitfield with a type that is wider than the rest of the struct
            return resolved.bit_offset + (member.bitfield_size or resolved.bits)
        return member.bitfield_size or 8 * size_of(self._btf, member.type)

    def _codec(self, type_id: TypeId, depth: int) -> Codec:
        resolved_id, resolved = skip_mods_and_typedefs(self._btf, type_id)
        size = size_of(self._btf, resolved_id)
        meaning = semantics.codec(self._btf, type_id, size)
        if meaning:
            signed = isinstance(resolved, types.Int) and resolved.signed
            return meaning._replace(code=meaning.code.lower()) if signed else meaning
        match resolved:
            case types.Int():
                return self._integer(resolved)
            case types.Enum() | types.Enum64():
                return self._enum(resolved)
            case types.Ptr():
                return Codec(code="Q", size=8, value="0x{:x}".format, text=str, width=18)
            case types.Float():
                return self._float(size)
            case types.Array():
                return self._array(resolved, size, depth)
            case types.Struct() | types.Union():
                return self._struct(resolved, depth)
            case _:
                kind = type(resolved).__name__.lower()
                raise BtfError(f"{self._btf.name}: type {type_id}: a {kind} has no value")

    def _title(self, composite: Composite) -> str:
        kind = "struct" if isinstance(composite, types.Struct) else "union"
        return f"{self._btf.name}: {kind} {safe(composite.name) or '(anonymous)'}"

    def _member_title(self, composite: Composite, member: Member) -> str:
        return f"{self._title(composite)}: member '{safe(member.name)}'"

    def _integer(self, integer: Int) -> Codec:
        size, end = integer.size, integer.bit_offset + integer.bits
        if not 0 < size <= _MAX_INT or end > 8 * size:
            bits = f"{integer.bits} bits from bit {integer.bit_offset} on in {size} bytes"
            raise BtfError(f"{self._btf.name}: int {safe(integer.name)}: {bits}")
        if integer.bits != 8 * size or integer.bit_offset:
            return self._bitfield(integer, integer.bit_offset, integer.bits)
        if is_bool(integer):
            return _bool(size)
        if size in _UNSIGNED:
            code = _signed(_UNSIGNED[size], signed=integer.signed)
            width = _WIDTHS[size]
            return Codec(code=code, size=size, value=None, text=str, width=width, number=True)
        read = partial(codecs.wide_integer, signed=integer.signed)
        return Codec(code=f"{size}s", size=size, value=read, text=str, width=24, number=True)

    def _float(self, size: int) -> Codec:
        if size in _FLOATS:
            return Codec(
                code=_FLOATS[size],
                size=size,
                value=partial(go_format.narrow, size=size) if size < 8 else None,
                text=go_format.real,
                width=12,
                number=True,
            )
        if size not in _LONG_FLOATS:
            raise BtfError(f"{self._btf.name}: a float of {size} bytes")
        return Codec(code=f"{size}s", size=size, value=bytes.hex, text=str, width=2 * size)

    def _enum(self, enum: AnyEnum) -> Codec:
        size = enum.size
        if size not in _UNSIGNED:
            raise BtfError(f"{self._btf.name}: enum {safe(enum.name)}: size {size}")
        name_of, width = self._namer(enum, 8 * size)
        return Codec(
            code=_signed(_UNSIGNED[size], signed=enum.signed),
            size=size,
            value=name_of,
            text=str,
            width=width,
            cacheable=True,
            to_number=int,
        )

    def _namer(self, enum: AnyEnum, bits: int) -> tuple[Callable[[int], Value], int]:
        """Return a function from a value of ``bits`` bits to its name, and the width of names."""
        namer = self._namers.get((id(enum), bits))
        if namer is None:
            from beepy.events import enums  # noqa: PLC0415 - few records hold an enum

            kernel = self._kernel() if enum.name else None
            numbered = enum if kernel is None else enums.renumbered(enum, kernel)
            self._budget.spend(len(numbered.values))
            self._enumerators_left -= len(numbered.values)
            if self._enumerators_left < 0:
                title = f"{self._btf.name}: enum {safe(enum.name)}"
                raise BtfError(f"{title}: more than {MAX_ENUMERATORS} enumerators in a record")
            width = max([len(value.name) for value in numbered.values], default=8)
            namer = (enums.namer(numbered, bits), min(width, _MAX_WIDTH))
            self._namers[id(enum), bits] = namer
        return namer

    def _bitfield(self, kind: Int | AnyEnum, shift: int, bits: int) -> Codec:
        """Read ``bits`` bits from bit ``shift`` of the item on (little endian: the lowest first).

        ::

            bit      15 .. 11 | 10 .. 5 | 4 .. 0       shift = 5, bits = 6: an item of two bytes
                              | value   |
        """
        if not 0 < bits <= 8 * kind.size or kind.size > _MAX_INT:
            title = f"{self._btf.name}: type {safe(kind.name)}"
            raise BtfError(f"{title}: a bitfield of {bits} bits in {kind.size} bytes")
        size = (shift + bits + 7) // 8
        mask, sign = (1 << bits) - 1, 1 << bits - 1 if kind.signed else 0
        number = partial(codecs.bitfield, shift, mask, sign)
        codec = Codec(
            code=f"{size}s",
            size=size,
            value=number,
            text=str,
            width=max(4, bits // 4),
            cacheable=True,
        )
        match kind:
            case types.Int() if is_bool(kind):
                read = partial(codecs.bitfield_bool, shift, mask)
                return codec._replace(
                    value=read, text=go_format.boolean, width=5, to_number=read, integer="?"
                )
            case types.Int():
                code = _signed(_UNSIGNED.get(kind.size, ""), signed=kind.signed)
                return codec._replace(number=True, integer=code)
            case types.Enum() | types.Enum64():
                name_of, width = self._namer(kind, bits)
                return codec._replace(
                    value=lambda raw: name_of(number(raw)), width=width, to_number=number
                )

    def _array(self, array: types.Array, size: int, depth: int) -> Codec:
        _, element = skip_mods_and_typedefs(self._btf, array.type)
        if isinstance(element, types.Int) and _is_byte(element):
            meaning = semantics.codec(self._btf, array.type, 1)
            # by the name: gcc sets the encoding CHAR for unsigned char, too
            if not meaning and element.name == "char":
                return self._bytes(go_format.text, size, width=size)
            if not meaning and not element.signed:
                return self._bytes(bytes.hex, size, width=2 * size)
        item = self.codec(array.type, depth + 1)
        step = size_of(self._btf, array.type)
        codec = Codec(
            code=f"{size}s",
            size=size,
            value=codecs.no_elements,
            text=partial(codecs.bracketed, item.text),
            width=min(max((item.width + 1) * array.nelems + 1, 2), _MAX_WIDTH),
            inner=(("", item),),
        )
        if not step:
            return codec
        # an element may be wider than its item, as an int of few bits is: the rest is skipped
        unpacker = struct.Struct(f"<{item.code}{step - item.size}x")
        read = partial(codecs.elements, unpacker, item.value)
        if array.nelems:
            count = array.nelems
            calls = item.calls_per_value * count if item.value else 1 + count // _ELEMENTS_PER_CALL
            return codec._replace(value=read, calls_per_value=self._bounded(calls))
        # an array without a length: the record's length decides how many elements there are
        most = MAX_CALLS // item.calls_per_value if item.value else MAX_CALLS * _ELEMENTS_PER_CALL
        read = partial(codecs.whole_elements, read, step, most)
        return codec._replace(value=read, width=_MAX_WIDTH, open_ended=True)

    def _bytes(self, read: Callable[[bytes], str], size: int, width: int) -> Codec:
        return Codec(
            code=f"{size}s",
            size=size,
            value=read,
            text=str,
            width=min(width, _MAX_WIDTH) if size else _MAX_WIDTH,
            cacheable=True,
            open_ended=True,
            calls_per_value=self._bounded(1 + size // _TEXT_PER_CALL),
        )

    def _bounded(self, calls: int) -> int:
        """Return ``calls``. Raises BtfError if they are too many for one record.

        Unions of unions of unions can describe any number of values in a few bytes.
        """
        if calls > MAX_CALLS:
            raise BtfError(f"{self._btf.name}: more than {MAX_CALLS} values in a record")
        return calls

    def _struct(self, composite: Composite, depth: int) -> Codec:
        """Read a struct in an array: its value is a dict."""
        readers = []
        inner = []
        calls = 1
        for member in self.members(composite, set(), depth):
            start, codec = self.leaf(member, depth + 1)
            readers.append((member.name, codecs.cut(codec, start)))
            inner.append((member.name, codec))
            calls = self._bounded(calls + codec.calls_per_value)
        return Codec(
            code=f"{composite.size}s",
            size=composite.size,
            value=partial(codecs.struct_members, tuple(readers)),
            text=partial(codecs.braced, tuple([codec.text for _, codec in inner])),
            width=_MAX_WIDTH,
            calls_per_value=calls,
            inner=tuple(inner),
        )


def distinct(name: str, taken: set[str]) -> str:
    """Return ``name`` with as many ``_`` appended as make it new, and add it to ``taken``."""
    for _ in range(_MAX_SAME):
        if name not in taken:
            taken.add(name)
            return name
        name += "_"
    raise BtfError(f"member '{safe(name)}': more than {_MAX_SAME} of that name")


def is_bool(integer: Int) -> bool:
    """Return whether it is C's bool: clang sets the encoding BOOL, other compilers may not."""
    return integer.bool or integer.name in {"_Bool", "bool"}


def _is_byte(integer: Int) -> bool:
    return integer.size == 1 and integer.bits == 8 and not is_bool(integer)


def _signed(code: str, *, signed: bool) -> str:
    """Return a format character of ``struct``: in lower case the integer is signed."""
    return code.lower() if signed else code


def _bool(size: int) -> Codec:
    read, code = (codecs.wide_bool, f"{size}s") if size > 1 else (None, "?")
    text, to_number = go_format.boolean, read or int
    integer = "?" if read else ""
    return Codec(
        code=code,
        size=size,
        value=read,
        text=text,
        width=5,
        to_number=to_number,
        integer=integer,
    )
