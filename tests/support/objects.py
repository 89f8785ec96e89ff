"""Small whole objects: an ELF file with its types and their records, written together."""

from collections.abc import Sequence

from beepy.btf.writer import BtfWriter
from beepy.obj import elf, parse
from beepy.obj import insn as op
from beepy.obj.elf import Elf
from beepy.obj.insn import Insn
from beepy.obj.spec import CollectionSpec
from tests.support.elf import LOCAL, OBJECT, R_64_32, ElfWriter, Records, ext

EXIT = Insn(op.EXIT)
NOP = Insn(op.JMP)  # goto +0
CALL_SUB = Insn(op.CALL, src=op.PSEUDO_CALL, imm=-1)  # as clang leaves it for a symbol
LOAD = (Insn(op.LD_IMM64), Insn(0))
SEC = "tracepoint/a/b"


class Object:
    """A test object in the making: its file ``elf``, its types ``btf`` (1: int, 2: u32, 3: u64)."""

    def __init__(self) -> None:
        self.elf = ElfWriter()
        self.btf = BtfWriter()
        self.btf.integer("int")
        self.btf.integer("unsigned int", 4, 0)
        self.btf.integer("unsigned long long", 8, 0)
        self.records: tuple[Records, ...] | None = None

    def program(self, *insns: Insn, name: str = "prog", section: str = SEC) -> int:
        """Add an entry program; return its symbol."""
        return self.elf.function(name, section, insns or (EXIT,))

    def calls(self, callee: int, at: int, section: str = SEC, type: int = R_64_32) -> None:  # noqa: A002
        """Relocate the instruction ``at`` of a section."""
        self.elf.relocate(section, at * op.SLOT, callee, type)

    def maps(
        self, *variables: int, names: Sequence[str], section: str = ".maps", size: int = 32
    ) -> list[int]:
        """Add map variables of ``size`` bytes each, with their DATASEC; return their symbols."""
        self.btf.datasec(section, 0, [(variable, 0, size) for variable in variables])
        at = len(self.elf.section(section).data)
        self.elf.section(section, bytes(size * len(variables)))
        return [
            self.elf.symbol(name, section, at + size * n, size, type=OBJECT)
            for n, name in enumerate(names)
        ]

    def local(self, section: str) -> int:
        """Add the symbol of a section."""
        return self.elf.symbol("", section, bind=LOCAL, type=3)

    def data(self, *, types: bool = True) -> bytes:
        """Return the object's bytes; ``types`` False: without BTF."""
        for name in (".BTF", ".BTF.ext"):
            self.elf.sections.pop(name, None)
        if types and self.records:
            self.elf.section(".BTF.ext", ext(self.btf, *self.records), flags=0)
        if types:
            self.elf.section(".BTF", self.btf.data(), flags=0)
        return self.elf.data()

    def parsed(self) -> CollectionSpec:
        """Return what beepy makes of it."""
        return parse.parse(self.data())

    def file(self) -> Elf:
        """Return what the ELF file holds."""
        return elf.read(self.data(), "object")
