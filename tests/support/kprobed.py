"""Run kprobe programs on any kernel: as raw tracepoints (PROG_TEST_RUN), on made-up objects.

What such a program reads of ``struct pt_regs`` it then finds in the context that a run is given,
one register in 8 bytes: it is loaded with types of the kernel in which the members of that struct
stand there.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from beepy.btf.btf import Btf
from beepy.btf.layout import skip_mods_and_typedefs
from beepy.btf.types import Kind, Struct, TypeId, Union
from beepy.collection.collection import Collection
from beepy.collection.load import load
from beepy.kernel import btf, program
from beepy.kernel import map as maps
from beepy.kernel.map import Map
from beepy.obj.insn import EXIT, LD_IMM64, PSEUDO_MAP_VALUE, Insn, encode
from beepy.obj.spec import CollectionSpec
from beepy.streams import stream
from beepy.uapi import MapType, ProgType
from tests.support.probed import decoded

# The registers of arguments, and that of the return value.
_REGISTERS: Final = ("di", "si", "dx", "cx", "r8", "r9", "ax")
_CONTEXT: Final = struct.Struct(f"<{len(_REGISTERS)}Q")
_ROOM: Final = 1 << 16  # bytes for all objects
_APART: Final = 1 << 13  # from one object to the next
_STX_DW: Final = 0x7B
_MEMBERS_AT: Final = 3  # words of a struct before its members: name, info, size
_OFFSET: Final = 2  # word of a member: name, type, offset


class Kprobed:
    """A loaded object, and kernel memory for the objects that its programs are called with."""

    def __init__(self, collection: Collection, memory: Map) -> None:
        self._collection = collection
        self._memory = memory
        self._address = _address(memory)
        self._contents = bytearray(_ROOM)
        self._next = 0

    def make(self, name: str, members: Mapping[str, int | bytes]) -> int:
        """Make a struct of the kernel's, zero but for these members (``a.b``); return its address.

        A number takes as many bytes as its member.
        """
        kernel = btf.vmlinux()
        found = kernel.find(name, Kind.STRUCT)
        assert found, name
        places = dict(_members(kernel, found))
        contents = bytearray(_APART)
        for member, value in members.items():
            offset, size = places[member]
            data = value if isinstance(value, bytes) else value.to_bytes(size, "little")
            contents[offset : offset + len(data)] = data
        return self.place(bytes(contents))

    def place(self, contents: bytes) -> int:
        """Put bytes into kernel memory; return their address."""
        at = self._next
        self._next += _APART
        self._contents[at : at + len(contents)] = contents
        self._memory.update(bytes(4), bytes(self._contents))
        return self._address + at

    def call(self, name: str, *arguments: int, returned: int = 0) -> None:
        """Run a program as if its function was called with these arguments, or returned."""
        registers = dict(zip(_REGISTERS, arguments, strict=False)) | {"ax": returned}
        context = pack([registers.get(register, 0) for register in _REGISTERS])
        assert self._collection.programs[name].run(context).retval == 0

    def rows(self, provoke: Callable[[], object]) -> list[dict[str, Any]]:
        """Return the events that the programs make meanwhile."""
        with stream(self._collection) as events:
            provoke()
            events.stop()
            return list(decoded(list(events)))


def pack(registers: Iterable[int]) -> bytes:
    """Return the ``struct pt_regs`` that a program sees: registers in the order of arguments."""
    return _CONTEXT.pack(*[*registers, *bytes(len(_REGISTERS))][: len(_REGISTERS)])


@contextmanager
def loaded(spec: CollectionSpec) -> Iterator[Kprobed]:
    """Load the object's programs as raw tracepoints; nothing is attached."""
    programs = tuple([one._replace(section="raw_tp/sys_enter") for one in spec.programs])
    with (
        maps.create(MapType.ARRAY, "memory", 4, _ROOM, 1) as memory,
        load(spec._replace(programs=programs), btf=_types(btf.vmlinux())) as collection,
    ):
        yield Kprobed(collection, memory)


def _types(kernel: Btf) -> Btf:
    """Return the kernel's types with the registers of ``struct pt_regs`` of a context."""
    found = kernel.find("pt_regs", Kind.STRUCT)
    assert found
    registers = kernel.type(found)
    assert isinstance(registers, Struct)
    words: dict[tuple[TypeId, int], int] = {}
    for number, member in enumerate(registers.members):
        if member.name in _REGISTERS:
            words[found, _MEMBERS_AT + 3 * number + _OFFSET] = 64 * _REGISTERS.index(member.name)
    assert len(words) == len(_REGISTERS)
    return kernel.with_words(words)


def _address(memory: Map) -> int:
    """Return the kernel address of the value of an array of one element, as a program sees it."""
    with maps.create(MapType.ARRAY, "address", 4, 8, 1) as told:
        code = (
            Insn(LD_IMM64, 1, PSEUDO_MAP_VALUE, imm=memory.fd.fileno()),
            Insn(0),
            Insn(LD_IMM64, 2, PSEUDO_MAP_VALUE, imm=told.fd.fileno()),
            Insn(0),
            Insn(_STX_DW, 2, 1),
            Insn(0xB7),
            Insn(EXIT),
        )
        with program.load("tell", "raw_tp", ProgType.RAW_TRACEPOINT, encode(code), "GPL") as teller:
            teller.run(bytes(16))
        return int.from_bytes(told.lookup(bytes(4)) or b"", "little")


def _members(
    kernel: Btf, found: TypeId, at: int = 0, before: str = ""
) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield the path of each member, what is nested too, with its offset and size in bytes."""
    built = kernel.type(found)
    assert isinstance(built, Struct | Union)
    for member in built.members:
        inner, kind = skip_mods_and_typedefs(kernel, member.type)
        offset = at + member.offset // 8
        name = f"{before}{member.name}" if member.name else before.rstrip(".")
        if isinstance(kind, Struct | Union):
            yield from _members(kernel, inner, offset, f"{name}." if name else "")
        elif member.name and not member.bitfield_size:
            yield name, (offset, getattr(kind, "size", 8))
