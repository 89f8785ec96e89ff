"""Random types by the grammar of BTF, mostly valid: cycles, wrong sizes, hostile names."""

from collections.abc import Callable
from random import Random
from typing import Final

from beepy.btf.types import Kind
from beepy.btf.writer import BtfWriter, Member

MAX_U32: Final = 0xFFFFFFFF
NUMBERS: Final = (
    *(
        0,
        1,
        2,
        7,
        8,
        9,
        15,
        16,
        31,
        32,
        63,
        64,
        65,
        127,
        128,
        255,
        256,
        511,
        512,
        4095,
        4096,
        65535,
        65536,
    ),
    *(1 << 20, 1 << 24, 1 << 28, 1 << 29, (1 << 31) - 1, 1 << 31, MAX_U32 - 7, MAX_U32),
)
NAMES: Final = (
    *(
        "",
        "a",
        "b",
        "comm",
        "pid",
        "le",
        "value",
        "key",
        "map",
        "time",
        "cpu",
        "type",
        "max_entries",
        "values",
    ),
    *(
        "task_struct",
        "task_struct___x",
        "a___b",
        "___",
        "le_",
        "_Bool",
        "bool",
        "char",
        "unsigned char",
        "ipv4_addr",
    ),
    *(
        "ipv6_addr",
        "duration",
        "LINUX_KERNEL_VERSION",
        "CONFIG_HZ",
        "bpf_map_update_elem",
        "../../etc/passwd",
        "a/b",
    ),
    *(
        "a.b",
        "a b",
        "a\nb",
        "a\0b",
        "\x1b[31mred\x1b[0m",
        "\u202egnp",
        "[bold]",
        "%s%n%d",
        "{0}",
        '"',
        "\\",
        "'",
    ),
    *(
        "$(id)",
        "\x7f",
        "\x80",
        "\xe9",
        "\u2028",
        "x" * 16,
        "x" * 64,
        "x" * 511,
        "0",
        "1a",
        "-",
        "exception_callback:",
    ),
    *("exception_callback:f0", "kptr", "arena", "percpu", "contains:a:b", "__proto__"),
)
_SIZED: Final = (
    Kind.INT,
    Kind.PTR,
    Kind.ARRAY,
    Kind.STRUCT,
    Kind.UNION,
    Kind.ENUM,
    Kind.ENUM64,
    Kind.TYPEDEF,
)
_MAX_LIKELY: Final = 70_000  # bytes of a type that is likely to be asked for


class Types:
    """BTF in the making; ``wild`` is how often it lies, from 0 to 1."""

    def __init__(self, rng: Random, wild: float) -> None:
        self.btf = BtfWriter()
        self._rng = rng
        self._wild = wild
        self._known: list[tuple[int, int]] = [(0, 0)]  # kind and size in bytes, by id
        for name, size, encoding in (
            ("int", 4, 1),
            ("unsigned int", 4, 0),
            ("unsigned long long", 8, 0),
        ):
            self._added(self.btf.integer(name, size, encoding), Kind.INT, size)
        self._added(self.btf.integer("char", 1, 1), Kind.INT, 1)
        self._kinds: tuple[tuple[int, Callable[[], int]], ...] = (
            (5, self._integer),
            (6, lambda: self.pointer(self.reference())),
            (6, self._array),
            (16, lambda: self.composite(Kind.STRUCT)),
            (5, lambda: self.composite(Kind.UNION)),
            (4, self._enum),
            (
                2,
                lambda: self._added(
                    self.btf.fwd(self.name(), union=rng.random() < 0.5), Kind.FWD, 0
                ),
            ),
            (5, self._typedef),
            (6, self._modifier),
            (
                2,
                lambda: self._added(
                    self.btf.real(self.name(), rng.choice((2, 4, 8, 10, 16, 0, 3))), Kind.FLOAT, 8
                ),
            ),
            (2, self.prototype),
            (2, lambda: self.function(self.name())),
            (
                2,
                lambda: self._added(
                    self.btf.decl_tag(self.name(), self.reference(), rng.choice((-1, 0, 5))), 17, 0
                ),
            ),
        )

    def lies(self, factor: float = 1.0) -> bool:
        """Return whether to lie now."""
        return self._rng.random() < self._wild * factor

    def number(self, true: int) -> int:
        """Return a number that is ``true`` most of the time."""
        return self._rng.choice(NUMBERS) if self.lies() else true

    def name(self) -> str:
        """Return any name."""
        return self._rng.choice(NAMES)

    def size(self, type_id: int) -> int:
        """Return the size that the type is believed to have."""
        return self._known[type_id][1] if type_id < len(self._known) else 4

    def reference(self) -> int:
        """Return a type's id: mostly an existing one; else its own, a later or an invalid one."""
        rng, count = self._rng, len(self._known) - 1
        if rng.random() < 0.92 - self._wild:
            return rng.randrange(1, count + 1)
        return rng.choice(
            (count + 1, count + 2, count + rng.randrange(1, 8), 0, MAX_U32, 2 * count + 5, 1)
        )

    def sized(self) -> int:
        """Return the id of a type that has a size, most of the time."""
        if self._rng.random() < 0.07:
            return self.reference()
        for _ in range(12):
            found = self._rng.randrange(1, len(self._known))
            kind, size = self._known[found]
            if kind in _SIZED and 0 < size <= _MAX_LIKELY:
                return found
        return self._rng.randrange(1, 4)

    def grow(self) -> None:
        """Add a type of any kind."""
        weights, makers = zip(*self._kinds, strict=True)
        self._rng.choices(makers, weights)[0]()

    def pointer(self, to: int) -> int:
        return self._added(self.btf.ptr(to), Kind.PTR, 8)

    def array(self, of: int, nelems: int) -> int:
        return self._added(
            self.btf.array(of, nelems, 1), Kind.ARRAY, min(self.size(of) * nelems, MAX_U32)
        )

    def prototype(self) -> int:
        params = [
            (self.name(), self.reference()) for _ in range(self._rng.choice((0, 1, 2, 5, 17)))
        ]
        return self._added(self.btf.func_proto(self.reference(), params), Kind.FUNC_PROTO, 0)

    def function(self, name: str) -> int:
        linkage = self._rng.choice((0, 1, 1, 1, 2, 3))
        return self._added(self.btf.func(name, self.reference(), linkage), Kind.FUNC, 0)

    def variable(self, name: str, of: int, linkage: int) -> int:
        return self._added(self.btf.var(name, of, linkage), Kind.VAR, self.size(of))

    def composite(self, kind: int) -> int:
        """Add a struct or union, a third of them with bitfields."""
        rng = self._rng
        bitfields = rng.random() < 0.35
        members: list[Member] = []
        end = most = 0
        for at in range(rng.choice((0, 1, 1, 2, 3, 4, 5, 8, 16, 40))):
            of = self.sized()
            bits = (
                rng.choice((1, 2, 3, 7, 8, 9, 31, 32, 33, 63, 64, 65, 128, 255))
                if rng.random() < 0.6
                else 0
            )
            bits = bits if bitfields else 0
            offset = end if kind == Kind.STRUCT else 0
            if self.lies(0.5) or rng.random() < 0.04:
                offset = rng.choice(
                    (offset + 1, 7, 8, 1 << 23, (1 << 24) - 1, MAX_U32, 1 << 31, offset + 64, 0)
                )
            name = self.name() if rng.random() < 0.8 else f"m{at}"
            placed = offset & (0xFFFFFF if bitfields else MAX_U32)
            members.append((name, of, placed, bits) if bitfields else (name, of, placed))
            step = bits or 8 * self.size(of)
            end, most = end + step, max(most, step)
        size = min(((end if kind == Kind.STRUCT else most) + 7) // 8, MAX_U32)
        return self._added(
            self.btf.struct(self.name(), self.number(size), members, kind), kind, size
        )

    def section(self, name: str, placed: list[tuple[int, int, int]]) -> None:
        """Add a DATASEC."""
        infos = [(self.number(of), self.number(at), self.number(size)) for of, at, size in placed]
        self._added(self.btf.datasec(name, self.number(0), infos), Kind.DATASEC, 0)

    def map_definition(self, kind: int, depth: int = 0) -> tuple[int, int]:
        """Add the struct that defines a map; return its id and size."""
        rng = self._rng
        members = [("type", self._as_type(kind))]
        if rng.random() < 0.9:
            members.append(
                (
                    "max_entries",
                    self._as_type(rng.choice((1, 16, 256, 4096, 65536, 4095, 0, MAX_U32))),
                )
            )
        for part, with_type in (("value", 0.7), ("key", 0.5)):
            if (chance := rng.random()) < with_type:
                members.append((part, self.pointer(self.sized())))
            elif chance < with_type + 0.2 and kind not in (3, 12, 13):
                members.append((f"{part}_size", self._as_type(rng.choice(NUMBERS))))
        for extra, likely in (
            ("map_flags", 0.2),
            ("pinning", 0.1),
            ("numa_node", 0.05),
            ("map_extra", 0.1),
        ):
            if rng.random() < likely:
                pinned = extra == "pinning" and not depth and not self.lies()
                flags = (0, 1, 1) if pinned else (0, 1, 2, 4, 8, 0x80, 0x400, 0x1000, MAX_U32)
                members.append((extra, self._as_type(rng.choice(flags))))
        if depth < 4 and (rng.random() < 0.8 if kind in (3, 12, 13) else self.lies(0.2)):
            inner = self.map_definition(rng.choice((1, 2, 27)), depth + 1)[0]
            members.append(("values", self.array(self.pointer(inner), 3 if self.lies() else 0)))
        if rng.random() < 0.1:
            rng.shuffle(members)
        if self.lies(0.3):
            members.append(rng.choice((*members, (self.name(), self._as_type(3)))))
        size = 8 * len(members)
        placed: list[Member] = [(name, of, 64 * at) for at, (name, of) in enumerate(members)]
        return self._added(self.btf.struct("", self.number(size), placed), Kind.STRUCT, size), size

    def data(self) -> bytes:
        """Return the section, whose header lies now and then."""
        made = bytearray(self.btf.data())
        if self.lies(0.3):
            at = self._rng.choice((2, 4, 8, 12, 16, 20))
            made[at : at + 4] = self._rng.choice(NUMBERS).to_bytes(4, "little")
        if self.lies(0.1):
            del made[-1]  # the last string has no NUL
        return bytes(made)

    def _added(self, type_id: int, kind: int, size: int) -> int:
        self._known.append((kind, size))
        if self.lies(0.1):  # about its kind, or how many members it has
            words = bytearray(self.btf.types[-1])
            words[self._rng.choice((4, 5, 7))] = self._rng.randrange(256)
            self.btf.types[-1] = bytes(words)
        return type_id

    def _integer(self) -> int:
        rng = self._rng
        size = rng.choice((1, 1, 2, 4, 8, 16, 3, 0, 5, 32, 255))
        bits = rng.choice((8 * size, 8 * size, 0, 1, 7, 9, 64, 65, 127, 255))
        encoding, offset = (
            rng.choice((0, 1, 2, 4, 3, 7, 8, 255)),
            rng.choice((0, 0, 0, 1, 7, 8, 64, 255)),
        )
        name = rng.choice(("char", "unsigned char", "int", "_Bool", "long", "u8", self.name()))
        words = [encoding << 24 | offset << 16 | bits]
        return self._added(self.btf.add(Kind.INT, name, self.number(size), words), Kind.INT, size)

    def _array(self) -> int:
        return self.array(
            self.reference(),
            self._rng.choice((0, 1, 2, 3, 4, 8, 16, 64, 256, 1 << 16, 1 << 29, MAX_U32)),
        )

    def _typedef(self) -> int:
        of = self.reference()
        name = self._rng.choice(("ipv4_addr", "ipv6_addr", "duration", "u64", self.name()))
        return self._added(self.btf.typedef(name, of), Kind.TYPEDEF, self.size(of))

    def _modifier(self) -> int:
        of = self.reference()
        kind = self._rng.choice((Kind.CONST, Kind.VOLATILE, Kind.RESTRICT, Kind.TYPE_TAG))
        return self._added(
            self.btf.add(kind, self.name() if kind is Kind.TYPE_TAG else "", of),
            kind,
            self.size(of),
        )

    def _enum(self) -> int:
        rng = self._rng
        wide = rng.random() < 0.4
        style = rng.randrange(4)
        values = {}
        for at in range(rng.choice((0, 1, 2, 3, 4, 8, 33, 65))):
            value = (at, 1 << at % 64, rng.getrandbits(64), (1 << 64) - 1 - at)[style]
            values[f"E{at}" if rng.random() < 0.8 else self.name()] = value
        size, signed = rng.choice((4, 4, 4, 8, 8, 1, 2, 0, 3, 16)), rng.random() < 0.5
        made = (self.btf.enum64 if wide else self.btf.enum)(
            self.name(), values, size, signed=signed
        )
        return self._added(made, Kind.ENUM64 if wide else Kind.ENUM, size)

    def _as_type(self, number: int) -> int:
        """Return the type by which a map's definition says ``number``."""
        if self._rng.random() < 0.15:
            return self._added(self.btf.enum64("", {"v": number}), Kind.ENUM64, 8)
        if self.lies(0.2):
            return self.reference()
        return self.pointer(self.array(1, number))
