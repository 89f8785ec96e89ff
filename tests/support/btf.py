"""Write BTF: one method a kind, each returns the new type's id."""

import struct
from collections.abc import Sequence

from beepy.btf.types import Kind, TypeId

Member = tuple[str, int, int] | tuple[str, int, int, int]  # name, type, offset in bits, bits of a bitfield


class BtfWriter:
    """Types and strings so far; ``first`` and ``string_base`` continue those of a base BTF."""

    def __init__(self, first: int = 1, string_base: int = 0) -> None:
        self.types: list[bytes] = []
        self.first = first
        self.string_base = string_base
        self.strings = b"" if string_base else b"\0"
        self._offsets: dict[str, int] = {"": 0}

    def string(self, text: str) -> int:
        """Return the offset of ``text``, added if it is new."""
        if text not in self._offsets:
            self._offsets[text] = self.string_base + len(self.strings)
            self.strings += text.encode() + b"\0"
        return self._offsets[text]

    def add(
        self, kind: int, name: str, third: int, words: Sequence[int] = (), *, vlen: int = 0, flag: int = 0
    ) -> TypeId:
        """Add a type of any shape; ``words`` are what follows the common three, taken modulo 2**32."""
        head = (self.string(name), flag << 31 | kind << 24 | vlen, third)
        self.types.append(struct.pack(f"<{3 + len(words)}I", *head, *[word & 0xFFFFFFFF for word in words]))
        return TypeId(self.first + len(self.types) - 1)

    def integer(self, name: str = "int", size: int = 4, encoding: int = 1, bit_offset: int = 0) -> TypeId:
        """Encoding: 1 signed, 2 char, 4 bool."""
        return self.add(Kind.INT, name, size, [encoding << 24 | bit_offset << 16 | size * 8])

    def ptr(self, to: int) -> TypeId:
        return self.add(Kind.PTR, "", to)

    def array(self, of: int, nelems: int, index: int = 0) -> TypeId:
        return self.add(Kind.ARRAY, "", 0, [of, index, nelems])

    def struct(self, name: str, size: int, members: Sequence[Member] = (), kind: int = Kind.STRUCT) -> TypeId:
        flag = any(len(member) == 4 for member in members)
        words = []
        for member in members:
            offset = member[2] | (member[3] << 24 if len(member) == 4 else 0)
            words += [self.string(member[0]), member[1], offset]
        return self.add(kind, name, size, words, vlen=len(members), flag=int(flag))

    def union(self, name: str, size: int, members: Sequence[Member] = ()) -> TypeId:
        return self.struct(name, size, members, Kind.UNION)

    def enum(self, name: str, values: dict[str, int], size: int = 4, *, signed: bool = False) -> TypeId:
        words = [word for text, value in values.items() for word in (self.string(text), value)]
        return self.add(Kind.ENUM, name, size, words, vlen=len(values), flag=int(signed))

    def enum64(self, name: str, values: dict[str, int], size: int = 8, *, signed: bool = False) -> TypeId:
        words = [word for text, value in values.items() for word in (self.string(text), value, value >> 32)]
        return self.add(Kind.ENUM64, name, size, words, vlen=len(values), flag=int(signed))

    def fwd(self, name: str, *, union: bool = False) -> TypeId:
        return self.add(Kind.FWD, name, 0, flag=int(union))

    def typedef(self, name: str, to: int) -> TypeId:
        return self.add(Kind.TYPEDEF, name, to)

    def const(self, to: int) -> TypeId:
        return self.add(Kind.CONST, "", to)

    def volatile(self, to: int) -> TypeId:
        return self.add(Kind.VOLATILE, "", to)

    def restrict(self, to: int) -> TypeId:
        return self.add(Kind.RESTRICT, "", to)

    def type_tag(self, name: str, to: int) -> TypeId:
        return self.add(Kind.TYPE_TAG, name, to)

    def real(self, name: str, size: int) -> TypeId:
        return self.add(Kind.FLOAT, name, size)

    def func_proto(self, returns: int, params: Sequence[tuple[str, int]] = ()) -> TypeId:
        words = [word for text, to in params for word in (self.string(text), to)]
        return self.add(Kind.FUNC_PROTO, "", returns, words, vlen=len(params))

    def func(self, name: str, proto: int, linkage: int = 1) -> TypeId:
        return self.add(Kind.FUNC, name, proto, vlen=linkage)

    def var(self, name: str, to: int, linkage: int = 1) -> TypeId:
        return self.add(Kind.VAR, name, to, [linkage])

    def datasec(self, name: str, size: int, infos: Sequence[tuple[int, int, int]] = ()) -> TypeId:
        words = [word for info in infos for word in info]
        return self.add(Kind.DATASEC, name, size, words, vlen=len(infos))

    def decl_tag(self, name: str, to: int, component: int = -1) -> TypeId:
        return self.add(Kind.DECL_TAG, name, to, [component])

    def data(self) -> bytes:
        """Return header, types and strings."""
        body = b"".join(self.types)
        return (
            struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(body), len(body), len(self.strings)) + body + self.strings
        )
