r"""Write BTF: one method per kind, each returns the id of the type that it added.

::

    header | type | type | ...                                                    | \0int\0comm\0
           | name_off | info | size or type | what the kind adds (u32 each)   |
"""

import struct
from collections.abc import Sequence
from typing import Final, TypeAlias

from beepy.btf.btf import Btf
from beepy.btf.header import encode
from beepy.btf.types import INT_SIGNED, Kind, TypeId, info_word, int_word, member_word

Member: TypeAlias = tuple[str, int, int] | tuple[str, int, int, int]
"""Name, type, offset in bits; and the size in bits of a bitfield."""

_U32: Final = (1 << 32) - 1


class BtfWriter:
    """The types and strings written so far.

    ``types`` are the bytes of each type, ``strings`` are those of all names. Ids begin at
    ``first``, string offsets at ``string_base``: they may continue those of another Btf.
    """

    def __init__(self, first: int = 1, string_base: int = 0) -> None:
        self.types: list[bytes] = []
        self.strings = b"" if string_base else b"\0"
        self._first = first
        self._string_base = string_base
        self._offsets: dict[str, int] = {"": 0}

    @classmethod
    def after(cls, btf: Btf) -> "BtfWriter":
        """Return a writer with ids and string offsets that continue those of ``btf``.

        Its types can be appended (``append_to``), or be split BTF with ``btf`` as its base.
        """
        return cls(len(btf), btf.string_end)

    @property
    def next_id(self) -> TypeId:
        """The id of the type that is added next: for types that refer to themselves."""
        return TypeId(self._first + len(self.types))

    def string(self, text: str) -> int:
        """Return the offset of ``text``; add it if it is new."""
        if text not in self._offsets:
            self._offsets[text] = self._string_base + len(self.strings)
            self.strings += text.encode("utf-8", "backslashreplace") + b"\0"
        return self._offsets[text]

    def add(
        self,
        kind: int,
        name: str,
        third: int,
        words: Sequence[int] = (),
        *,
        vlen: int = 0,
        flag: bool = False,
    ) -> TypeId:
        """Add a type of any kind.

        ``words`` follow the three that all kinds have; they are taken modulo 2**32.
        """
        head = (self.string(name), info_word(kind, vlen, flag=flag), third)
        type_id = self.next_id
        self.types.append(
            struct.pack(f"<{3 + len(words)}I", *head, *[word & _U32 for word in words])
        )
        return type_id

    def integer(
        self, name: str = "int", size: int = 4, encoding: int = INT_SIGNED, bit_offset: int = 0
    ) -> TypeId:
        """Add an integer that uses all its bits; ``encoding``: see ``types.int_word``."""
        return self.add(Kind.INT, name, size, [int_word(8 * size, bit_offset, encoding)])

    def ptr(self, to: int) -> TypeId:
        """Add a pointer to a type."""
        return self.add(Kind.PTR, "", to)

    def array(self, of: int, nelems: int, index: int = 0) -> TypeId:
        """Add an array of ``nelems`` elements."""
        return self.add(Kind.ARRAY, "", 0, [of, index, nelems])

    def struct(
        self, name: str, size: int, members: Sequence[Member] = (), kind: int = Kind.STRUCT
    ) -> TypeId:
        """Add a struct; members with a size in bits are bitfields (see ``Member``)."""
        flag = any(len(member) == 4 for member in members)
        words = []
        for member in members:
            words += [
                self.string(member[0]),
                member[1],
                member_word(*member[2:]) if flag else member[2],
            ]
        return self.add(kind, name, size, words, vlen=len(members), flag=flag)

    def union(self, name: str, size: int, members: Sequence[Member] = ()) -> TypeId:
        """Add a union."""
        return self.struct(name, size, members, Kind.UNION)

    def enum(
        self, name: str, values: dict[str, int], size: int = 4, *, signed: bool = False
    ) -> TypeId:
        """Add an enum of up to 32 bits."""
        words = [word for text, value in values.items() for word in (self.string(text), value)]
        return self.add(Kind.ENUM, name, size, words, vlen=len(values), flag=signed)

    def enum64(
        self, name: str, values: dict[str, int], size: int = 8, *, signed: bool = False
    ) -> TypeId:
        """Add an enum of 64 bits."""
        words = [
            word
            for text, value in values.items()
            for word in (self.string(text), value, value >> 32)
        ]
        return self.add(Kind.ENUM64, name, size, words, vlen=len(values), flag=signed)

    def fwd(self, name: str, *, union: bool = False) -> TypeId:
        """Add the declaration of a struct or union."""
        return self.add(Kind.FWD, name, 0, flag=union)

    def typedef(self, name: str, to: int) -> TypeId:
        """Add another name for a type."""
        return self.add(Kind.TYPEDEF, name, to)

    def const(self, to: int) -> TypeId:
        """Add ``const``."""
        return self.add(Kind.CONST, "", to)

    def volatile(self, to: int) -> TypeId:
        """Add ``volatile``."""
        return self.add(Kind.VOLATILE, "", to)

    def restrict(self, to: int) -> TypeId:
        """Add ``restrict``."""
        return self.add(Kind.RESTRICT, "", to)

    def type_tag(self, name: str, to: int) -> TypeId:
        """Add a tag of what a pointer points to."""
        return self.add(Kind.TYPE_TAG, name, to)

    def real(self, name: str, size: int) -> TypeId:
        """Add a floating-point number."""
        return self.add(Kind.FLOAT, name, size)

    def func_proto(self, returns: int, params: Sequence[tuple[str, int]] = ()) -> TypeId:
        """Add the prototype of a function: the type that it returns, its parameters."""
        words = [word for text, to in params for word in (self.string(text), to)]
        return self.add(Kind.FUNC_PROTO, "", returns, words, vlen=len(params))

    def func(self, name: str, proto: int, linkage: int = 1) -> TypeId:
        """Add a function; ``linkage``: see ``types.Linkage``."""
        return self.add(Kind.FUNC, name, proto, vlen=linkage)

    def var(self, name: str, to: int, linkage: int = 1) -> TypeId:
        """Add a global variable; ``linkage``: see ``types.Linkage``."""
        return self.add(Kind.VAR, name, to, [linkage])

    def datasec(self, name: str, size: int, infos: Sequence[tuple[int, int, int]] = ()) -> TypeId:
        """Add a section; ``infos`` are the type, offset and size in bytes of each variable."""
        words = [word for info in infos for word in info]
        return self.add(Kind.DATASEC, name, size, words, vlen=len(infos))

    def decl_tag(self, name: str, to: int, component: int = -1) -> TypeId:
        """Add a tag of a declaration.

        ``component`` is the number of a member or parameter, -1 for the type itself.
        """
        return self.add(Kind.DECL_TAG, name, to, [component])

    def append_to(self, btf: Btf) -> Btf:
        """Return ``btf`` with these types and strings appended (see ``after``)."""
        return btf.with_types(b"".join(self.types), self.strings)

    def data(self) -> bytes:
        """Return a whole .BTF section: header, types and strings."""
        return encode(b"".join(self.types), self.strings)
