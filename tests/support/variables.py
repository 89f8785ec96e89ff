"""An object with a variable of each kind that can be set."""

from beepy.btf.btf import Btf
from beepy.btf.types import TypeId
from beepy.btf.writer import BtfWriter
from beepy.obj.spec import CollectionSpec, MapSpec, VariableSpec
from beepy.uapi import MapType

_SIZE = 512


class Variables:
    """Variables one after the other in .data, each at a multiple of 16, and a few elsewhere."""

    def __init__(self) -> None:
        self.writer = writer = BtfWriter()
        u8, self.u32 = writer.integer("unsigned char", 1, 0), writer.integer("unsigned int", 4, 0)
        self.u64, self.s32, self.s8 = (
            writer.integer("unsigned long", 8, 0),
            writer.integer("int", 4, 1),
            writer.integer("signed char", 1, 1),
        )
        char, self.bool = writer.integer("char", 1, 1), writer.integer("_Bool", 1, 4)
        u128 = writer.integer("unsigned __int128", 16, 0)
        self.variables: list[VariableSpec] = []
        self.end = 0
        self.add("small", u8, 1)
        self.add("number", writer.const(writer.volatile(self.u32)), 4)
        self.add("large", self.u64, 8)
        self.add("min_us", self.u64, 8)
        self.add("wait_ms", self.u32, 4)
        self.add("huge", u128, 16)
        self.add("signed", self.s32, 4)
        self.add("tiny", self.s8, 1)
        self.add("letter", char, 1)
        self.add("flag", self.bool, 1)
        self.add("latency", writer.typedef("duration", self.u64), 8)
        self.add("colour", writer.enum("colour", {"RED": 0, "GREEN": 5, "BLUE": 8}), 4)
        self.add("sign", writer.enum("sign", {"MINUS": -1, "PLUS": 1}, signed=True), 4)
        self.add("wide", writer.enum64("wide", {"ONE": 1, "LAST": 1 << 63}), 8)
        self.add("name", writer.array(writer.typedef("char_t", char), 8), 8)
        self.add("mac", writer.array(u8, 6), 6)
        self.add("table", writer.array(self.u32, 4), 16)
        self.add("matrix", writer.array(writer.array(u8, 2), 2), 4)
        self.add("waits_ms", writer.array(self.u32, 2), 8)
        self.add("source", writer.typedef("ipv4_addr", self.u32), 4)
        self.add("target", writer.typedef("ipv6_addr", writer.array(u8, 16)), 16)
        self.add("ratio", writer.real("double", 8), 8)
        self.add("pointer", writer.ptr(self.u32), 8)
        inner = writer.struct("", 4, [("low", self.u32, 0, 3), ("high", self.s32, 3, 5)])
        point = writer.struct(
            "point", 12, [("x", self.s32, 0), ("", inner, 32), ("tag", writer.array(char, 4), 64)]
        )
        self.add("points", writer.array(point, 2), 24)
        self.add("loop.count", self.u32, 4)
        self.add("loop", writer.struct("loop", 4, [("other", self.u32, 0)]), 4)
        self.add("twice", self.u32, 4)
        self.variables.append(VariableSpec("twice", ".bss", self.u32, 4, 4, False))
        self.variables.append(VariableSpec("CONFIG_HZ", ".kconfig", self.u32, 0, 4, True))
        self.add("folded", writer.const(self.u32), 4)

    def add(self, name: str, type_id: TypeId, size: int) -> None:
        self.variables.append(VariableSpec(name, ".data", type_id, self.end, size, False))
        self.end += 16 * -(-size // 16)

    def spec(self, name: str = "object") -> CollectionSpec:
        data = MapSpec(".data", ".data", MapType.ARRAY, 4, _SIZE, 1, contents=b"\xee" * self.end)
        bss = MapSpec(".bss", ".bss", MapType.ARRAY, 4, 8, 1, contents=b"")
        kconfig = MapSpec(".kconfig", ".kconfig", MapType.ARRAY, 4, 4, 1, contents=b"")
        variables = tuple(self.variables)
        return CollectionSpec(
            name, "GPL", (), (data, bss, kconfig), variables, (), Btf(self.writer.data())
        )
