"""Types of BTF: a class for each kind; a reference to a type is its ``TypeId`` in the same ``Btf``.

Ids, sizes in bytes and offsets in bits are as in Documentation/bpf/btf.rst; id 0 is ``void``.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final, NamedTuple, NewType, Self, TypeAlias

TypeId = NewType("TypeId", int)
Bits = NewType("Bits", int)

VOID = TypeId(0)


class Kind(IntEnum):
    """``BTF_KIND_*`` of include/uapi/linux/btf.h, each with the u32 words that a type of it takes.

    A row is all that the index, searches and edits of types know of a kind: its number, its
    ``fixed`` words (the three that all kinds have, and those that the kind adds once), and how many
    words ``each`` member, enumerator, parameter or variable adds; ``vlen`` counts these.
    """

    fixed: int
    each: int

    def __new__(cls, number: int, fixed: int, each: int) -> Self:
        """Return the member of one row."""
        kind = int.__new__(cls, number)
        kind._value_ = number
        kind.fixed = fixed
        kind.each = each
        return kind

    UNKN = 0, 0, 0
    INT = 1, 4, 0
    PTR = 2, 3, 0
    ARRAY = 3, 6, 0
    STRUCT = 4, 3, 3
    UNION = 5, 3, 3
    ENUM = 6, 3, 2
    FWD = 7, 3, 0
    TYPEDEF = 8, 3, 0
    VOLATILE = 9, 3, 0
    CONST = 10, 3, 0
    RESTRICT = 11, 3, 0
    FUNC = 12, 3, 0
    FUNC_PROTO = 13, 3, 2
    VAR = 14, 4, 0
    DATASEC = 15, 3, 3
    FLOAT = 16, 3, 0
    DECL_TAG = 17, 4, 0
    TYPE_TAG = 18, 3, 0
    ENUM64 = 19, 3, 3

    def item(self, number: int) -> int:
        """Return the word at which the type's ``number``-th item begins.

        An item is a member, enumerator, parameter or variable.
        """
        return self.fixed + self.each * number


KINDS: Final[Mapping[int, Kind]] = {int(kind): kind for kind in Kind if kind}
"""The kinds of types by their numbers."""

INFO_BYTES: Final = bytes([flag << 7 | number for flag in (0, 1) for number in KINDS])
"""What the upper byte of a type's ``info`` may be: kind_flag and kind."""

NAME_OFF: Final = 0
INFO: Final = 1
SIZE_OR_TYPE: Final = 2
ADDED: Final = 3  # the first word that the kind adds

Words: TypeAlias = dict[tuple[TypeId, int], int]
"""Words to be replaced in types: ``[id, n]`` is the n-th word of that type, counted from 0."""

INT_SIGNED: Final = 1
INT_CHAR: Final = 2
INT_BOOL: Final = 4


def info_word(kind: int, vlen: int = 0, *, flag: bool = False) -> int:
    """Return the ``info`` of ``struct btf_type``; ``vlen`` of a function is its linkage."""
    return flag << 31 | kind << 24 | vlen


def int_word(bits: int, bit_offset: int = 0, encoding: int = 0) -> int:
    """Return the word that an INT adds; ``encoding`` combines the ``INT_*`` flags."""
    return encoding << 24 | bit_offset << 16 | bits


def member_word(offset: int, bitfield_size: int = 0) -> int:
    """Return the offset (bits) of a member of a struct or union whose kind_flag is set."""
    return bitfield_size << 24 | offset


class Linkage(IntEnum):
    """``BTF_FUNC_*`` and ``BTF_VAR_*``: they share their values."""

    STATIC = 0
    GLOBAL = 1
    EXTERN = 2


class Member(NamedTuple):
    """A member of a struct or union; ``bitfield_size`` is 0 for a member that is no bitfield."""

    name: str
    type: TypeId
    offset: Bits
    bitfield_size: int


class Enumerator(NamedTuple):
    """A name of an enum's value."""

    name: str
    value: int


class Param(NamedTuple):
    """A parameter of a function; the last one with type 0 and no name is ``...``."""

    name: str
    type: TypeId


class VarSecInfo(NamedTuple):
    """A variable (or map, or extern) in its section; offset and size in bytes."""

    type: TypeId
    offset: int
    size: int


# Kinds with the same fields derive from one tuple: a subclass costs nothing at import, another
# NamedTuple 0.2 ms.
class _Of(NamedTuple):
    type: TypeId


class _NamedOf(NamedTuple):
    name: str
    type: TypeId


class _Linked(NamedTuple):
    name: str
    type: TypeId
    linkage: int


class _Composite(NamedTuple):
    name: str
    size: int
    members: tuple[Member, ...]


class _Enum(NamedTuple):
    name: str
    size: int
    signed: bool
    values: tuple[Enumerator, ...]


class Void(NamedTuple):
    """Type 0."""

    name: str = "void"


class Int(NamedTuple):
    """An integer of ``size`` bytes, of which ``bits`` bits from ``bit_offset`` on are used.

    They are fewer than all in the bitfields of old compilers.
    """

    name: str
    size: int
    bits: int
    bit_offset: int
    signed: bool
    char: bool
    bool: bool


class Ptr(_Of):
    """A pointer."""

    __slots__ = ()


class Array(NamedTuple):
    """``nelems`` elements of ``type``."""

    type: TypeId
    index_type: TypeId
    nelems: int


class Struct(_Composite):
    """A struct; its name is "" if it is anonymous."""

    __slots__ = ()


class Union(_Composite):
    """A union."""

    __slots__ = ()


class Enum(_Enum):
    """An enum of up to 32 bits; values have their sign already."""

    __slots__ = ()


class Enum64(_Enum):
    """An enum of 64 bits (BTF from v6.0 on)."""

    __slots__ = ()


class Fwd(NamedTuple):
    """A struct or union declared, not defined."""

    name: str
    union: bool


class Typedef(_NamedOf):
    """Another name for ``type``."""

    __slots__ = ()


class Volatile(_Of):
    """``volatile``."""

    __slots__ = ()


class Const(_Of):
    """``const``."""

    __slots__ = ()


class Restrict(_Of):
    """``restrict``."""

    __slots__ = ()


class Func(_Linked):
    """A function; ``type`` is its FuncProto."""

    __slots__ = ()


class FuncProto(NamedTuple):
    """The parameters of a function, and the type that it returns (``type``)."""

    type: TypeId
    params: tuple[Param, ...]


class Var(_Linked):
    """A global variable."""

    __slots__ = ()


class DataSec(NamedTuple):
    """A section and its variables; clang writes size 0, which the loader replaces."""

    name: str
    size: int
    vars: tuple[VarSecInfo, ...]


class Float(NamedTuple):
    """A floating-point number of 2, 4, 8, 12 or 16 bytes."""

    name: str
    size: int


CONTEXT_TAG: Final = "arg:ctx"
"""The name of the DeclTag on a function's parameter that is the program's context."""


class DeclTag(NamedTuple):
    """``btf_decl_tag(name)`` on ``type`` itself, or on its member or parameter ``component``.

    ``component`` is -1 for the type itself.
    """

    name: str
    type: TypeId
    component: int


class TypeTag(_NamedOf):
    """``btf_type_tag(name)`` on what a pointer points to."""

    __slots__ = ()


Composite: TypeAlias = Struct | Union
AnyEnum: TypeAlias = Enum | Enum64
Modifier: TypeAlias = Typedef | Volatile | Const | Restrict | TypeTag
Type: TypeAlias = (
    Void
    | Int
    | Ptr
    | Array
    | Composite
    | AnyEnum
    | Fwd
    | Modifier
    | Func
    | FuncProto
    | Var
    | DataSec
    | Float
    | DeclTag
)
