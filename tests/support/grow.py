"""Random objects by grammar: valid ones and ones with lies, with all that objects can have.

Independent of ``mutate``, which changes real objects: what no compiler makes comes from here.
"""

from random import Random
from typing import Final

from beepy.obj.insn import SLOT, Insn
from tests.support.elf import (
    ALLOC,
    EXEC,
    GLOBAL,
    HIDDEN,
    LOCAL,
    NOBITS,
    OBJECT,
    PROGBITS,
    R_64_32,
    R_64_64,
    WEAK,
    WRITE,
    ElfWriter,
    Section,
    ext,
)
from tests.support.grow_btf import MAX_U32, NUMBERS, Types

_PROGRAMS: Final = (
    *(
        "tracepoint/a/b",
        "tp/sched/sched_process_exit",
        "kprobe/do_x",
        "kretprobe/x+0x10",
        "?kprobe/y",
        "raw_tp/x",
    ),
    *(
        "tp_btf/x",
        "fentry/x",
        "fexit.s/x",
        "lsm/x",
        "xdp",
        "tc",
        "tcx/ingress",
        "cgroup/connect4",
        "cgroup_skb/egress",
    ),
    *(
        "uprobe//bin/sh:x",
        "uprobe/",
        "usdt//bin/sh:a:b",
        "iter/task",
        "iter/",
        "struct_ops/x",
        "struct_ops.s/",
    ),
    *(
        "perf_event",
        "sk_lookup",
        "socket",
        "freplace/x",
        "syscall",
        "kprobe.multi/*",
        "ksyscall/open",
        "netfilter",
    ),
    *(
        "unknown/x",
        "/",
        "../../x",
        "tp/../../x",
        "tp/\x1b[2J/x",
        "fmod_ret/x",
        "lwt_in",
        "sockops",
        "sk_msg",
    ),
    *("sk_reuseport", "raw_tp.w/x", "uprobe.multi/x:y", "netkit/primary", "xdp/devmap"),
)
_MAPS: Final = (
    *(
        ".maps",
        ".maps",
        ".maps",
        ".maps.print",
        ".maps.counter",
        ".maps.gauge",
        ".maps.hist",
        ".maps.",
    ),
    *(".maps.print/../x", ".maps.\x1b[0m"),
)
_DATA: Final = (
    *(
        ".data",
        ".rodata",
        ".bss",
        ".data",
        ".rodata",
        ".bss",
        ".data.x",
        ".rodata.str1.1",
        ".bss.y",
        ".data.\x1b[2J",
    ),
    *(
        ".data",
        ".rodata",
        ".bss",
        ".kconfig",
        ".ksyms",
        ".kconfig",
        ".ksyms",
        ".addr_space.1",
        ".struct_ops",
    ),
    *(".struct_ops.link", "?.struct_ops", "license", "version"),
)
_MAP_TYPES: Final = (
    *(27, 27, 1, 1, 2, 4, 4, 5, 6, 9, 10) * 4,
    3,
    7,
    11,
    12,
    13,
    22,
    26,
    29,
    30,
    31,
    33,
    0,
    99,
    MAX_U32,
)
_HELPERS: Final = (1, 2, 5, 14, 36, 58, 109, 131, 132, 211, 212, 500, -1, 0, -(1 << 31), 3)
_LOADS: Final = (0x61, 0x69, 0x71, 0x79, 0x63, 0x6B, 0x73, 0x7B, 0x62, 0x7A, 0x81, 0x99, 0xDB, 0xC3)
_JUMPS: Final = (0x05, 0x15, 0x1D, 0x06, 0x16, 0xE5, 0x25, 0xA5)
_SUMS: Final = (0xB7, 0xBF, 0x07, 0x0F, 0xB4, 0x67, 0x77, 0xD7, 0xDC, 0x37, 0x97)
_ACCESSES: Final = (
    "",
    ":",
    "0:",
    ":0",
    "-1",
    "0:-1",
    "0x1",
    " 0",
    "0::0",
    "\u0660",
    "0\n",
    "a",
    "00",
    "9" * 10,
)
_SHDR_SIZES: Final = (4, 4, 8, 8, 8, 8, 4, 4, 8, 8)
# (offset, size) of the header's fields from type to shstrndx.
_EHDR: Final = ((16, 2), (18, 2), (20, 4), (40, 8), (52, 2), (58, 2), (60, 2), (62, 2))
_SHDR: Final = 64
_LD_IMM64, _CALL, _EXIT = 0x18, 0x85, 0x95


class _Grower:
    """One object in the making."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._wild = rng.choice((0, 0, 0, 0, 0.002, 0.004, 0.01, 0.02, 0.1))
        self._types = Types(rng, self._wild)
        self._elf = ElfWriter()
        self._data: list[int] = []  # symbols of maps and variables
        self._externs: list[int] = []
        self._functions: list[
            tuple[str, int, int, int]
        ] = []  # section, offset in bytes, instructions, FUNC
        self._subprograms: list[int] = []  # symbols

    def grow(self) -> bytes:
        rng = self._rng
        for _ in range(rng.choice((0, 3, 5, 10, 20, 40, 40, 150))):
            self._types.grow()
        for _ in range(rng.choice((0, 1, 1, 1, 2))):
            self._maps(rng.choice(_MAPS))
        for _ in range(rng.choice((0, 0, 1, 2, 3))):
            self._variables(rng.choice(_DATA))
        if rng.random() < 0.05:
            self._jump_tables()
        if rng.random() < 0.6:
            self._elf.section("license", b"GPL\0")
        sections = list(
            dict.fromkeys(rng.choice(_PROGRAMS) for _ in range(rng.choice((1, 1, 2, 3, 5))))
        )
        for section in (*([".text"] if rng.random() < 0.5 else []), *sections):
            self._code(section)
        for section in [
            name for name in self._elf.sections if name.startswith((".maps", ".struct_ops"))
        ]:
            if self._data and rng.random() < 0.02 + self._wild:
                self._elf.relocate(
                    section, rng.choice((0, 8, 16, 24, 4, 1 << 63)), rng.choice(self._data)
                )
        if rng.random() < 0.95:
            self._elf.section(".BTF.ext", self._records(), flags=0)
        if rng.random() < 0.95:
            self._elf.section(".BTF", self._types.data(), flags=0)
        if self._types.lies(0.5):  # a second section of a name
            name = rng.choice((".BTF", ".BTF.ext", ".maps", ".text", "license", ".data", ".bss"))
            self._elf.sections[f"{name}#"] = Section(
                name, PROGBITS, ALLOC, rng.randbytes(rng.choice((0, 8, 64)))
            )
        return self._lying(bytearray(self._elf.data()))

    def _name(self, usual: str) -> str:
        return usual if self._rng.random() < 0.7 else self._types.name()

    def _symbol(
        self, name: str, section: str | int, value: int, size: int, kind: int = OBJECT
    ) -> int:
        rng, number = self._rng, self._types.number
        if self._types.lies(0.3):
            section = rng.choice((0, 0xFFF1, 0xFFF2, 0xFFFF, 0xFF00, 99))
        bind = rng.choice((GLOBAL, GLOBAL, GLOBAL, LOCAL, WEAK)) if kind == OBJECT else GLOBAL
        visibility = HIDDEN if rng.random() < 0.1 else 0
        return self._elf.symbol(
            name, section, number(value), number(size), bind=bind, type=kind, visibility=visibility
        )

    def _maps(self, section: str) -> None:
        rng, at = self._rng, len(self._elf.section(section, flags=ALLOC | WRITE).data)
        placed = []
        for number in range(rng.choice((1, 1, 2, 3, 6))):
            role = rng.choice(("print_", "counter_", "gauge_", "hist_", "m"))
            name = self._name(f"{role}{number}")
            definition, size = self._types.map_definition(rng.choice(_MAP_TYPES))
            placed.append(
                (self._types.variable(name, definition, rng.choice((1, 1, 1, 0, 2, 7))), at, size)
            )
            self._elf.section(section, bytes(size))
            self._data.append(self._symbol(name, section, at, size))
            at += size
        self._types.section(section, placed)

    def _variables(self, section: str) -> None:
        rng, at = self._rng, 0
        if section in self._elf.sections:
            return
        placed, symbols = [], []
        for number in range(rng.choice((0, 1, 1, 2, 5, 12))):
            of = self._types.sized()
            size = self._types.size(of)
            size = size if size < 1 << 16 else rng.choice((4, size))
            name = self._name(f"v{number}")
            if section == ".ksyms" and rng.random() < 0.5:
                variable = self._types.function(name)
            else:
                variable = self._types.variable(name, of, rng.choice((0, 0, 1, 1, 2)))
            placed.append((variable, at, size))
            symbols.append((name, at, size))
            at += size
        self._types.section(section, placed)
        if section in (".kconfig", ".ksyms"):
            self._externs += [self._symbol(name, 0, 0, 0) for name, _, _ in symbols]
            return
        if section.startswith(".bss"):
            self._elf.section(section, type=NOBITS, flags=ALLOC | WRITE).size = self._types.number(
                at
            )
        else:
            self._elf.section(section, rng.randbytes(min(at, 1 << 16)), flags=ALLOC | WRITE)
        made = [self._symbol(name, section, start, size) for name, start, size in symbols]
        if section.startswith((".data", ".rodata", ".bss")) or self._types.lies():
            self._data += made

    def _jump_tables(self) -> None:
        rng = self._rng
        entries = [rng.choice((0, 8, 16, 24, 4, 1 << 63)) for _ in range(rng.choice((1, 2, 8)))]
        table = b"".join([entry.to_bytes(8, "little") for entry in entries])
        self._elf.section(".jumptables", table)
        self._data.append(
            self._symbol("table", ".jumptables", 0, rng.choice((len(table), 8, 0, 12)))
        )

    def _code(self, section: str) -> None:
        rng = self._rng
        for _ in range(rng.choice((1, 1, 2, 4))):
            at = len(self._elf.section(section, flags=ALLOC | EXEC).data)
            name = self._name(f"f{len(self._functions)}")
            insns = self._instructions(section, at, rng.choice((1, 2, 5, 10, 30, 30, 100)))
            symbol = self._elf.function(
                name, section, insns, visibility=HIDDEN if rng.random() < 0.1 else 0
            )
            self._functions.append((section, at, len(insns), self._types.function(name)))
            if section == ".text":
                self._subprograms.append(symbol)
            if self._types.lies(0.3):
                found = list(self._elf.symbols[symbol])
                found[rng.choice((1, 2))] = rng.choice((0, 4, 8, 1 << 63, (1 << 64) - 8))
                self._elf.symbols[symbol] = tuple(found)  # type: ignore[assignment]

    def _instructions(self, section: str, start: int, count: int) -> list[Insn]:
        rng, insns = self._rng, list[Insn]()
        while len(insns) < count - 1:
            at = start + SLOT * len(insns)
            match rng.choices(range(5), (20, 15, 25, 15, 25))[0]:
                case 0:
                    insns += [
                        Insn(
                            _LD_IMM64,
                            rng.randrange(11),
                            imm=0 if rng.random() < 0.98 else rng.choice((8, -1)),
                        ),
                        Insn(0),
                    ]
                    if (symbols := self._data or self._subprograms) and rng.random() < 0.7:
                        symbols = rng.choice(
                            (
                                symbols,
                                symbols,
                                self._subprograms or symbols,
                                self._externs or symbols,
                            )
                        )
                        self._relocate(section, at, rng.choice(symbols), R_64_64)
                case 1 if self._subprograms and rng.random() < 0.4:
                    insns.append(Insn(_CALL, src=1, imm=-1))
                    self._relocate(section, at, rng.choice(self._subprograms), R_64_32)
                case 1:
                    insns.append(
                        Insn(_CALL, src=rng.choice((0, 0, 0, 0, 2)), imm=rng.choice(_HELPERS))
                    )
                case 2:
                    offset = rng.choice((0, 8, -8, 16, 32767, -32768))
                    insns.append(
                        Insn(rng.choice(_LOADS), rng.randrange(11), rng.randrange(11), offset)
                    )
                case 3:
                    insns.append(
                        Insn(
                            rng.choice(_JUMPS),
                            rng.randrange(11),
                            0,
                            rng.choice((0, 1, -1, -2, 5, -32768)),
                        )
                    )
                case _:
                    code = rng.choice((*_SUMS, rng.randrange(256)))
                    insns.append(
                        Insn(code, rng.randrange(16), rng.randrange(16), 0, rng.getrandbits(31))
                    )
        return [*insns, Insn(_EXIT if rng.random() < 0.99 else _LD_IMM64)]

    def _relocate(self, section: str, at: int, symbol: int, kind: int) -> None:
        rng = self._rng
        if self._types.lies(0.3):
            kind = rng.choice((0, 1, 2, 3, 4, 10, MAX_U32))
            symbol = rng.choice((symbol, 0, len(self._elf.symbols), MAX_U32))
            at = rng.choice((at, at + 4, 1 << 63))
        self._elf.relocate(section, at, symbol, kind)

    def _records(self) -> bytes:
        """Return .BTF.ext."""
        rng, types = self._rng, self._types
        functions: dict[str, list[tuple[int, ...]]] = {}
        lines: dict[str, list[tuple[int, ...]]] = {}
        core: dict[str, list[tuple[int, ...]]] = {}
        for section, start, count, function in self._functions:
            functions.setdefault(section, []).append((start, function))
            text = types.btf.string(types.name())
            step = rng.choice((1, 2, 5))
            lines.setdefault(section, []).extend(
                [
                    (start + SLOT * at, text, text, rng.getrandbits(32))
                    for at in range(0, count, step)
                ]
            )
            for _ in range(rng.choice((0, 1, 1, 2, 4, 8))):
                access = types.btf.string(self._access())
                at = start + SLOT * rng.randrange(count)
                kind = rng.choice((0, 0, 0, *range(14), MAX_U32))
                core.setdefault(section, []).append((at, types.reference(), access, kind))
        for found in (functions, lines, core):
            if found and types.lies(0.3):
                records = rng.choice(list(found.values()))
                records.append(tuple([rng.choice(NUMBERS) for _ in records[0]]))
        made = bytearray(
            ext(
                types.btf,
                functions,
                lines,
                {name: records for name, records in core.items() if records},
            )
        )
        if types.lies():  # about a size, a count or an offset
            at = rng.randrange(0, len(made) - 4, 4)
            made[at : at + 4] = rng.choice(NUMBERS).to_bytes(4, "little")
        return bytes(made)

    def _access(self) -> str:
        rng = self._rng
        if (chance := rng.random()) < 0.7:
            return ":".join(
                [
                    str(rng.choice((0, 0, 0, 0, 1, 1, 2, 3, 7)))
                    for _ in range(rng.choice((1, 1, 2, 3, 6)))
                ]
            )
        if chance < 0.85:
            indexes = (0, 1, 2, 40, 1 << 30, (1 << 31) - 1, 1 << 31, 10**9)
            return ":".join(
                [str(rng.choice(indexes)) for _ in range(rng.choice((1, 2, 5, 63, 64, 65, 66)))]
            )
        return rng.choice(_ACCESSES)

    def _lying(self, data: bytearray) -> bytes:
        """Let sections overlap, headers be wrong, and the file end too early."""
        rng, types = self._rng, self._types
        table = int.from_bytes(data[40:48], "little")
        count = int.from_bytes(data[60:62], "little")
        for _ in range(rng.choice((1, 1, 2, 5)) if types.lies(0.5) else 0):
            one, other = (table + _SHDR * rng.randrange(1, count) for _ in range(2))
            match rng.randrange(4):
                case 0:
                    data[one + 24 : one + 40] = data[other + 24 : other + 40]  # offset and size
                case 1:
                    data[one : one + 4] = data[other : other + 4]  # name
                case 2:
                    data[one + 4 : one + 8] = data[other + 4 : other + 8]  # type
                case _:
                    word = rng.randrange(len(_SHDR_SIZES))
                    at, size = one + sum(_SHDR_SIZES[:word]), _SHDR_SIZES[word]
                    value = rng.choice((*NUMBERS, 1 << 63, (1 << 64) - 1)) % (1 << 8 * size)
                    data[at : at + size] = value.to_bytes(size, "little")
        if types.lies(0.15):
            at, size = rng.choice(_EHDR)
            data[at : at + size] = (rng.choice(NUMBERS) % (1 << 8 * size)).to_bytes(size, "little")
        if types.lies(0.05):
            data[rng.randrange(16)] = rng.randrange(256)
        if types.lies(0.1):
            del data[rng.randrange(_SHDR, len(data)) :]
        return bytes(data)


def grown(rng: Random) -> bytes:
    """Return an object."""
    return _Grower(rng).grow()


def types(rng: Random) -> bytes:
    """Return types alone, such as a kernel's."""
    made = Types(rng, rng.choice((0, 0, 0.02, 0.1)))
    for _ in range(rng.choice((5, 30, 100))):
        made.grow()
    return made.data()
