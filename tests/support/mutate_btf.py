"""Structure-aware mutants of BTF: ids, names, sizes, counts and kinds; and expensive types."""

import struct
from collections.abc import Iterable, Sequence
from random import Random
from typing import Final

from beepy.btf.types import KINDS, Kind

BTF_HEADER: Final = struct.Struct("<HBBIIIII")
_MAGIC: Final = 0xEB9F

# the words after the common three: once, and for each of vlen; n: name, t: type, o: offset or size,
# v: value
_TAILS: Final = {
    Kind.INT: ("o", ""),
    Kind.ARRAY: ("tto", ""),
    Kind.STRUCT: ("", "nto"),
    Kind.UNION: ("", "nto"),
    Kind.ENUM: ("", "nv"),
    Kind.FUNC_PROTO: ("", "nt"),
    Kind.VAR: ("v", ""),
    Kind.DATASEC: ("", "too"),
    Kind.DECL_TAG: ("v", ""),
    Kind.ENUM64: ("", "nvv"),
}
assert all(kind.fixed == 3 + len(_TAILS.get(kind, ("", ""))[0]) for kind in KINDS.values())
assert all(kind.each == len(_TAILS.get(kind, ("", ""))[1]) for kind in KINDS.values())
_SIZED: Final = (
    Kind.INT,
    Kind.STRUCT,
    Kind.UNION,
    Kind.ENUM,
    Kind.DATASEC,
    Kind.FLOAT,
    Kind.ENUM64,
)
_NUMBERS: Final = (
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    16,
    31,
    32,
    33,
    63,
    64,
    127,
    255,
    256,
    4096,
    1 << 16,
    1 << 20,
    1 << 24,
)
_LARGE: Final = (
    1 << 27,
    1 << 28,
    (1 << 29) - 1,
    1 << 30,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 8,
    (1 << 32) - 1,
)
_NAMES: Final = (b"", b"a", b"key", b"value", b"values", b"type", b"max_entries", b"print_x",
                 b"counter_x", b"hist_x",
                 b"gauge_x", b".maps", b".maps.print", b".data", b".rodata", b".bss", b".kconfig",
                 b".ksyms", b"a.b",
                 b"___", b"a___b", b"____", b"map", b"time", b"cpu", b"_Bool", b"char",
                 b"ipv6_addr", b"ipv4_addr",
                 b"duration", b"task_struct", b"\xff\xfe", b"\x1b[2J", b"LINUX_KERNEL_VERSION",
                 b"%s{}",
                 b'"\\')  # fmt: skip

_FOLLOWED: Final = 100  # words of a type in which others are looked for
_LONG: Final = 1000  # words of a type that is made no longer


def name(rng: Random) -> bytes:
    """Return a name that means something to somebody, or is long."""
    if rng.random() < 0.9:
        return rng.choice(_NAMES)
    return rng.choice((b"x", b"a_", b"\xff", b"1:")) * (1 << rng.randrange(4, 17))


def quantity(rng: Random) -> int:
    """Return a size, an offset or a count."""
    return rng.choice(_NUMBERS if rng.random() < 0.6 else _LARGE)


class Types:
    """BTF taken apart: one piece of bytes a type, the strings behind."""

    def __init__(self, types: list[bytes], strings: bytes) -> None:
        self.types = types
        self.strings = strings

    @classmethod
    def parse(cls, data: bytes) -> "Types | None":
        """Take BTF apart; None if it is not what it was."""
        if len(data) < BTF_HEADER.size:
            return None
        _, _, _, header, type_off, type_len, str_off, str_len = BTF_HEADER.unpack_from(data)
        at, end = header + type_off, header + type_off + type_len
        types = []
        if end > len(data):
            return None
        while at < end:
            info = int.from_bytes(data[at + 4 : at + 8], "little")
            once, each = _TAILS.get(_kind(info), ("", ""))
            size = 12 + 4 * (len(once) + len(each) * (info & 0xFFFFFF))
            types.append(data[at : at + size])
            at += size
        return cls(types, data[header + str_off : header + str_off + str_len])

    @property
    def count(self) -> int:
        """The number of types; they count from 1."""
        return len(self.types)

    def data(self) -> bytes:
        """Put it together again."""
        body = b"".join(self.types)
        size = len(body)
        return (
            BTF_HEADER.pack(_MAGIC, 1, 0, 24, 0, size, size, len(self.strings))
            + body
            + self.strings
        )

    def add_string(self, text: bytes) -> int:
        """Add a string and return its offset."""
        at = len(self.strings)
        self.strings += text.replace(b"\0", b"") + b"\0"
        return at

    def words(self, index: int) -> list[int]:
        """Return the 32-bit words of a type, which counts from 0 here."""
        one = self.types[index]
        return list(struct.unpack(f"<{len(one) // 4}I", one[: len(one) // 4 * 4]))

    def set(self, index: int, words: Sequence[int]) -> None:
        """Replace a type."""
        self.types[index] = struct.pack(f"<{len(words)}I", *[word & 0xFFFFFFFF for word in words])

    def add(
        self, kind: int, third: int, words: Iterable[int] = (), vlen: int = 0, name_off: int = 0
    ) -> int:
        """Add a type and return its id."""
        flat = (name_off, kind << 24 | vlen, third, *words)
        self.types.append(struct.pack(f"<{len(flat)}I", *[word & 0xFFFFFFFF for word in flat]))
        return len(self.types)


def change_types(types: Types, rng: Random) -> None:
    """Change one thing."""
    if not types.count:
        return
    index = _target(types, rng)
    words = types.words(index)
    match rng.randrange(10):
        case 0 | 1 | 2 | 3 | 4:
            at = rng.randrange(len(words))
            words[at] = _word(types, rng, index, words, at)
        case 5 | 6:
            _info(rng, words)
        case 7:
            _vlen(rng, words)
        case 8:
            expensive = _expensive(types, rng)
            places = [at for at in range(len(words)) if _role(words, at) == "t"]
            if places:
                words[rng.choice(places)] = expensive
            else:  # it takes the place of this one
                types.types[index] = types.types[expensive - 1]
                return
        case _:
            others = [
                other
                for other in range(types.count)
                if types.types[other][7:8] == types.types[index][7:8]
            ]
            words = types.words(rng.choice(others))
    types.set(index, words)


def _target(types: Types, rng: Random) -> int:
    """Return a type, most often one that maps, data and records are made of."""
    if rng.random() < 0.3:
        return rng.randrange(types.count)
    sections = [at for at, one in enumerate(types.types) if one[7] & 0x7F == Kind.DATASEC]
    index = rng.choice(sections) if sections else rng.randrange(types.count)
    for _ in range(rng.randrange(7)):
        words = types.words(index)
        following = [
            words[at]
            for at in range(2, min(len(words), _FOLLOWED))
            if _role(words, at) == "t" and 0 < words[at] <= types.count
        ]
        if not following:
            break
        index = rng.choice(following) - 1
    return index


def _kind(info: int) -> Kind:
    return KINDS.get(info >> 24 & 0x7F, Kind.UNKN)


def _role(words: Sequence[int], at: int) -> str:
    kind = _kind(words[1])
    if at < 3:
        return "ni" + ("o" if kind in _SIZED else "t") if at == 2 else "ni"[at]
    once, each = _TAILS.get(kind, ("", ""))
    at -= 3
    if at < len(once):
        return once[at]
    return each[(at - len(once)) % len(each)] if each else "v"


def _word(types: Types, rng: Random, index: int, words: list[int], at: int) -> int:
    old = words[at]
    match _role(words, at)[-1]:
        case "n":
            choices = (
                types.add_string(name(rng)),
                old + 1,
                len(types.strings) - 1,
                len(types.strings),
                quantity(rng),
            )
            return rng.choice((choices[0], *choices))
        case "t":
            near = index + rng.randrange(-2, 3)
            return rng.choice(
                (
                    rng.randrange(1, types.count + 1),
                    index + 1,
                    near,
                    0,
                    types.count + 1,
                    (1 << 32) - 1,
                )
            )
        case "i":
            return old ^ 1 << rng.randrange(32)
        case _:
            return rng.choice(
                (
                    quantity(rng),
                    quantity(rng),
                    old + rng.choice((-8, -1, 1, 8)),
                    old ^ 1 << rng.randrange(32),
                )
            )


def _info(rng: Random, words: list[int]) -> None:
    """Give a type another kind, one of the same length where there is one; or turn its flag."""
    alike = [
        kind
        for kind in Kind
        if kind and _TAILS.get(kind, ("", ""))[0] == "" and _TAILS.get(kind, ("", ""))[1] == ""
    ]
    once, each = _TAILS.get(_kind(words[1]), ("", ""))
    fitting = [
        kind for kind, tail in _TAILS.items() if [*map(len, tail)] == [len(once), len(each)]
    ] or alike
    match rng.randrange(3):
        case 0:
            words[1] ^= 1 << 31
        case 1:
            words[1] = words[1] & 0x80FFFFFF | rng.choice(fitting) << 24
        case _:
            words[1] = words[1] & 0x80FFFFFF | rng.randrange(len(Kind) + 2) << 24


def _vlen(rng: Random, words: list[int]) -> None:
    """Change how many members there are, with or without the members themselves."""
    vlen = words[1] & 0xFFFFFF
    once, each = _TAILS.get(_kind(words[1]), ("", ""))
    start = 3 + len(once)
    match rng.randrange(4):
        case 0:
            vlen = rng.choice((0, 1, vlen + 1, max(vlen - 1, 0), 0xFFFF, 0xFFFFFF))
        case 1 if vlen and each and len(words) < _LONG:
            times = rng.choice((2, 3, 20, 5000 // vlen + 1))
            words[start:] = words[start:] * times
            vlen *= times
        case 2 if vlen and each:
            at = start + rng.randrange(vlen) * len(each)
            del words[at : at + len(each)]
            vlen -= 1
        case _:
            vlen ^= 1 << rng.randrange(24)
    words[1] = words[1] & 0xFF000000 | vlen & 0xFFFFFF


def _expensive(types: Types, rng: Random) -> int:
    """Add types that cost much to who walks them without bounds; return the outermost one's id."""
    depth, last = rng.choice((3, 17, 33, 70, 1200)), rng.randrange(types.count + 1)
    a, b = types.add_string(b"a"), types.add_string(b"b")
    me = types.count + 1
    match rng.randrange(9):
        case 0:  # modifiers, pointers, typedefs, arrays: nested
            kinds = rng.choice(
                ((Kind.PTR,), (Kind.CONST,), (Kind.TYPEDEF,), (Kind.CONST, Kind.PTR))
            )
            for level in range(depth):
                last = types.add(kinds[level % len(kinds)], last, name_off=a)
        case 1:  # arrays in arrays
            for _ in range(depth):
                last = types.add(Kind.ARRAY, 0, (last, 0, rng.choice((0, 1, 2, 2, 1000))))
        case 2:  # each struct holds the one before twice
            for _ in range(depth):
                last = types.add(
                    Kind.STRUCT, rng.choice((0, 1, 8, 1 << 30)), (a, last, 0, b, last, 0), vlen=2
                )
        case 3:  # ... with anonymous members
            for _ in range(depth):
                kind = rng.choice((Kind.STRUCT, Kind.UNION))
                last = types.add(
                    kind, rng.choice((0, 8, 1 << 30)), (0, last, 0, 0, last, 0), vlen=2
                )
        case 4:  # functions of functions
            for _ in range(depth):
                last = types.add(Kind.FUNC_PROTO, last, (a, last, b, last), vlen=2)
        case 5:  # itself
            kind = rng.choice(
                (
                    Kind.PTR,
                    Kind.CONST,
                    Kind.TYPEDEF,
                    Kind.ARRAY,
                    Kind.STRUCT,
                    Kind.VAR,
                    Kind.DECL_TAG,
                )
            )
            if kind is Kind.ARRAY:
                last = types.add(kind, 0, (me, me, quantity(rng)))
            elif kind is Kind.STRUCT:
                last = types.add(kind, quantity(rng), (rng.choice((0, a)), me, 0), vlen=1)
            else:
                last = types.add(
                    kind, me, (1,) if kind in (Kind.VAR, Kind.DECL_TAG) else (), name_off=a
                )
        case 6:  # many members, all of them called alike, or each with a very long name
            text = rng.choice((a, types.add_string(b"n" * (1 << 16))))
            count = rng.choice((17, 4097, 20000))
            members = [
                word for at in range(count) for word in (text + at % 60000 * (text != a), last, 0)
            ]
            last = types.add(Kind.STRUCT, quantity(rng), members, vlen=count)
        case 7:  # many enumerators
            count = rng.choice((100, 20000))
            last = types.add(
                Kind.ENUM,
                4,
                [word for at in range(count) for word in (a, 1 << at % 32)],
                vlen=count,
            )
        case _:  # large
            last = types.add(Kind.ARRAY, 0, (last, 0, quantity(rng)))
            last = types.add(Kind.STRUCT, quantity(rng), (a, last, 0), vlen=1)
    return last
