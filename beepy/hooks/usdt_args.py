"""Arguments of USDT probes: the texts that <sys/sdt.h> leaves in a note, the records that libbpf's usdt.bpf.h reads.

A text is ``SIZE@OPERAND`` for each argument, with the operand in the assembler's words: ``-4@%edi 8@-16(%rbp) 4@$7``
(x86-64), ``-4@w0 8@[sp, 16] 4@7`` (arm64). A negative size is that of a signed argument.
"""

import re
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from beepy.errors import ElfError

MAX_ARGUMENTS: Final = 12  # BPF_USDT_MAX_ARG_CNT

_CONST, _REG, _REG_DEREF, _SIB = range(4)  # enum __bpf_usdt_arg_type
_SIZES: Final = frozenset({1, 2, 4, 8})
_SIZE_1_0: Final = 208  # sizeof(struct __bpf_usdt_spec) until libbpf 1.6
_SIZE_1_7: Final = 304


class Argument(NamedTuple):
    """``struct __bpf_usdt_arg_spec``: registers are offsets in the kernel's struct pt_regs.

    ``scaled`` and ``scale`` (a shift) are of type SIB alone: the value at register + (scaled << scale) + value.
    """

    size: int
    type: int
    value: int
    register: int = 0
    scaled: int = 0
    scale: int = 0


class Operands(NamedTuple):
    """One architecture: its registers, and its forms of operands (``const``, ``reg``, ``base``, ``off`` name parts)."""

    registers: Mapping[str, int]
    forms: tuple[re.Pattern[str], ...]


def _x86_registers() -> Iterator[tuple[str, int]]:
    slots = ("r15", "r14", "r13", "r12", "bp", "bx", "r11", "r10", "r9", "r8", "ax", "cx", "dx", "si", "di", "", "ip")
    for number, name in enumerate((*slots, "", "", "sp")):
        at = number * 8
        if name[:1] == "r":
            yield from ((name + suffix, at) for suffix in ("", "d", "w", "b"))
        elif name == "ip":
            yield from (("rip", at), ("eip", at))
        elif name:
            yield from ((f"{prefix}{name}", at) for prefix in ("r", "e", ""))
            yield (f"{name}l" if name in {"bp", "si", "di", "sp"} else f"{name[0]}l", at)


def _arm64_registers() -> Iterator[tuple[str, int]]:
    for number in range(31):
        yield f"x{number}", number * 8
        yield f"w{number}", number * 8
    yield "sp", 31 * 8


_NUMBER: Final = r"[+-]?(?:0x[0-9a-f]{1,16}|0[0-7]{0,22}|[1-9][0-9]{0,19})"
_X86: Final = (
    re.compile(rf"\$(?P<const>{_NUMBER})"),
    re.compile(r"%(?P<reg>\w+)"),
    re.compile(rf"(?P<off>{_NUMBER})?\(%(?P<base>\w+)\)"),
    re.compile(rf"(?P<off>{_NUMBER})?\(%(?P<base>\w+),%(?P<index>\w+)(?:,(?P<scale>[1248]))?\)"),
    re.compile(rf"(?P<symbol>[A-Za-z_.$][\w.$]*)(?P<off>{_NUMBER})?\(%(?P<base>rip)\)"),
)
_ARM64: Final = (
    re.compile(rf"(?P<const>{_NUMBER})"),
    re.compile(r"(?P<reg>\w+)"),
    re.compile(rf"\[(?P<base>\w+)(?:,(?P<off>{_NUMBER}))?\]"),
)

MACHINES: Final[Mapping[str, Operands]] = {
    "EM_X86_64": Operands(dict(_x86_registers()), _X86),
    "EM_AARCH64": Operands(dict(_arm64_registers()), _ARM64),
}
"""By the ELF file's machine; another architecture is another row."""

_MAX_TEXT: Final = 4096  # characters: matching takes their square
_SHOWN: Final = 200
_ITEM: Final = re.compile(r"\s*(-?[0-9]{1,2})@((?:\[[^\]]*\]|[^\s(]*\([^)]*\)|\S+?)+)(?=\s|$)")


def parse(text: str, machine: str, place: Callable[[str], int | None]) -> tuple[Argument, ...]:
    """Return the arguments of a probe.

    ``place`` tells how far a symbol stands from the probe (operands such as ``counter(%rip)``), None if there is none.
    Raises ElfError, which names the argument.
    """
    operands = MACHINES.get(machine)
    if operands is None:
        raise ElfError(f"arguments for {machine}: not an architecture whose operands are known")
    if len(text) > _MAX_TEXT:
        raise ElfError(f"arguments of {len(text)} characters, at most {_MAX_TEXT} are read")
    found: list[Argument] = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        if len(found) == MAX_ARGUMENTS:
            raise ElfError(f"more arguments than the {MAX_ARGUMENTS} that can be told")
        item = _ITEM.match(text, at)
        argument = _argument(int(item[1]), re.sub(r"\s", "", item[2]), operands, place) if item else None
        if item is None or argument is None:
            raise ElfError(f"argument {len(found) + 1} of '{text[:_SHOWN]}': not of a known form")
        found.append(argument)
        at = item.end()
    return tuple(found)


def _argument(size: int, text: str, operands: Operands, place: Callable[[str], int | None]) -> Argument | None:
    match = next((match for form in operands.forms if (match := form.fullmatch(text))), None)
    if match is None or abs(size) not in _SIZES:
        return None
    parts = match.groupdict()
    if parts.get("const"):
        return Argument(size, _CONST, _integer(parts["const"]))
    registers = operands.registers
    if parts.get("reg"):
        at = registers.get(parts["reg"])
        return None if at is None else Argument(size, _REG, 0, at)
    base = registers.get(parts["base"])
    offset = _integer(parts["off"] or "0")
    if parts.get("symbol"):
        distance = place(parts["symbol"])
        if distance is None:
            return None
        offset += distance
    if base is None:
        return None
    if not parts.get("index"):
        return Argument(size, _REG_DEREF, offset, base)
    scaled = registers.get(parts["index"])
    return None if scaled is None else Argument(size, _SIB, offset, base, scaled, "1248".index(parts["scale"] or "1"))


def _integer(text: str) -> int:
    """Return what the assembler reads: decimal, hexadecimal (0x...) or octal (0...)."""
    digits = text.lstrip("+-")
    value = int(digits, 16 if digits.startswith("0x") else 8 if digits.startswith("0") else 10)
    return -value if text.startswith("-") else value


def encode(arguments: tuple[Argument, ...], size: int) -> bytes | None:
    """Return ``struct __bpf_usdt_spec``, which is of that ``size`` in the program; None: not a size that is known.

    usdt.bpf.h of libbpf 1.7 added the type SIB, and by it moved what follows in ``struct __bpf_usdt_arg_spec`` (its
    bit fields do not fit into the old enum). An argument of type SIB is nothing that an older one could read::

        0       8         12       14     15    16         208 bytes: args[12], u64 cookie, s16 count
        | value | type    | register | signed | shift |
        0       8      10           12    14         16       17    24          304 bytes
        | value | type | scaled:12, scale:4 | 0 | register | signed | shift | 0 |
    """
    if size == _SIZE_1_7:
        records = [_record(one) for one in arguments]
    elif size == _SIZE_1_0 and all(one.type != _SIB for one in arguments):
        records = [_record_1_0(one) for one in arguments]
    else:
        return None
    return b"".join(records).ljust(size - 16, b"\0") + struct.pack("<QH6x", 0, len(arguments))


def _record(one: Argument) -> bytes:
    scaled = one.scaled | one.scale << 12
    return struct.pack("<QBxHHhBB6x", one.value % 2**64, one.type, scaled, 0, one.register, one.size < 0, _shift(one))


def _record_1_0(one: Argument) -> bytes:
    return struct.pack("<QIhBB", one.value % 2**64, one.type, one.register, one.size < 0, _shift(one))


def _shift(one: Argument) -> int:
    """Return how many of 64 bits the argument does not have."""
    return 64 - 8 * abs(one.size)
