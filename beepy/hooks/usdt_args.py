"""Arguments of USDT probes: from the text in an ELF note to the spec that usdt.bpf.h reads.

<sys/sdt.h> writes the text: ``SIZE@OPERAND`` for each argument, the operand in the assembler's
syntax. Examples are ``-4@%edi 8@-16(%rbp) 4@$7`` (x86-64) and ``-4@w0 8@[sp, 16] 4@7`` (arm64). The
size is in bytes; that of a signed argument is negative.
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
    """``struct __bpf_usdt_arg_spec``; registers are offsets in the kernel's struct pt_regs.

    ``scaled`` and ``scale`` (a shift) are used by type SIB only, which is the value at
    register + (scaled << scale) + value.
    """

    size: int
    type: int
    value: int
    register: int = 0
    scaled: int = 0
    scale: int = 0


class Operands(NamedTuple):
    """The registers of an architecture and the forms of its operands.

    Groups of the patterns are const, reg, base, index, scale, off and symbol.
    """

    registers: Mapping[str, int]
    forms: tuple[re.Pattern[str], ...]


def _x86_registers() -> Iterator[tuple[str, int]]:
    """Yield the assembler's names of registers, of all sizes, with their offsets in pt_regs."""
    first = ("r15", "r14", "r13", "r12", "bp", "bx", "r11", "r10", "r9", "r8")
    last = ("ax", "cx", "dx", "si", "di", "", "ip", "", "", "sp")  # "": orig_ax, cs, flags
    for number, name in enumerate((*first, *last)):
        offset = number * 8
        if name[:1] == "r":
            yield from ((name + suffix, offset) for suffix in ("", "d", "w", "b"))
        elif name == "ip":
            yield from (("rip", offset), ("eip", offset))
        elif name:
            yield from ((f"{prefix}{name}", offset) for prefix in ("r", "e", ""))
            yield (f"{name}l" if name in {"bp", "si", "di", "sp"} else f"{name[0]}l", offset)


def _arm64_registers() -> Iterator[tuple[str, int]]:
    """Yield the assembler's names of registers with their offsets in user_pt_regs."""
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
"""Operands by the machine of the ELF file."""

_MAX_TEXT: Final = 4096  # characters: the time to match grows with their square
_MAX_SHOWN: Final = 200  # characters of it in a message
_ITEM: Final = re.compile(r"\s*(-?[0-9]{1,2})@((?:\[[^\]]*\]|[^\s(]*\([^)]*\)|\S+?)+)(?=\s|$)")


def parse(text: str, machine: str, distance: Callable[[str], int | None]) -> tuple[Argument, ...]:
    """Return the arguments of a probe.

    ``distance`` returns the distance in bytes of a symbol from the probe, None if the symbol is
    unknown; operands such as ``counter(%rip)`` need it. Raises ElfError that names the argument.
    """
    operands = MACHINES.get(machine)
    if operands is None:
        raise ElfError(f"arguments for {machine}: operands of this architecture are not supported")
    if len(text) > _MAX_TEXT:
        raise ElfError(f"arguments of {len(text)} characters, at most {_MAX_TEXT} are read")
    arguments: list[Argument] = []
    position = 0
    text = text.rstrip()
    while position < len(text):
        if len(arguments) == MAX_ARGUMENTS:
            raise ElfError(f"more than {MAX_ARGUMENTS} arguments")
        match = _ITEM.match(text, position)
        argument = None
        if match:
            operand = re.sub(r"\s", "", match[2])
            argument = _argument(int(match[1]), operand, operands, distance)
        if match is None or argument is None:
            shown = text[:_MAX_SHOWN]
            raise ElfError(f"argument {len(arguments) + 1} of '{shown}': unknown form of operand")
        arguments.append(argument)
        position = match.end()
    return tuple(arguments)


def _argument(
    size: int, text: str, operands: Operands, distance: Callable[[str], int | None]
) -> Argument | None:
    """Return the argument that an operand gives, None if it has no known form."""
    matches = (form.fullmatch(text) for form in operands.forms)
    match = next((match for match in matches if match), None)
    if match is None or abs(size) not in _SIZES:
        return None
    parts = match.groupdict()
    if parts.get("const"):
        return Argument(size, _CONST, _integer(parts["const"]))
    registers = operands.registers
    if parts.get("reg"):
        register = registers.get(parts["reg"])
        return None if register is None else Argument(size, _REG, 0, register)
    base = registers.get(parts["base"])
    value = _integer(parts["off"] or "0")
    if parts.get("symbol"):
        from_probe = distance(parts["symbol"])
        if from_probe is None:
            return None
        value += from_probe
    if base is None:
        return None
    if not parts.get("index"):
        return Argument(size, _REG_DEREF, value, base)
    scaled = registers.get(parts["index"])
    if scaled is None:
        return None
    scale = "1248".index(parts["scale"] or "1")
    return Argument(size=size, type=_SIB, value=value, register=base, scaled=scaled, scale=scale)


def _integer(text: str) -> int:
    """Return a number of the assembler: decimal, hexadecimal (0x...) or octal (0...)."""
    digits = text.lstrip("+-")
    value = int(digits, 16 if digits.startswith("0x") else 8 if digits.startswith("0") else 10)
    return -value if text.startswith("-") else value


def encode(arguments: tuple[Argument, ...], size: int) -> bytes | None:
    """Return ``struct __bpf_usdt_spec``, of which the program's map has ``size`` bytes.

    None: the size is unknown, or a spec of this size cannot have these arguments. usdt.bpf.h of
    libbpf 1.7 added the type SIB, and so moved the members that follow in ``struct
    __bpf_usdt_arg_spec`` (its bit fields do not fit into the old enum)::

        0       8         12       14     15    16         208 bytes: args[12], cookie, count
        | value | type    | register | signed | shift |
        0       8      10           12    14         16       17    24          304 bytes
        | value | type | scaled:12, scale:4 | 0 | register | signed | shift | 0 |
    """
    if size == _SIZE_1_7:
        records = [_record(argument) for argument in arguments]
    elif size == _SIZE_1_0 and all(argument.type != _SIB for argument in arguments):
        records = [_record_1_0(argument) for argument in arguments]
    else:
        return None
    tail = struct.pack("<QH6x", 0, len(arguments))
    return b"".join(records).ljust(size - len(tail), b"\0") + tail


def _record(argument: Argument) -> bytes:
    """Return ``struct __bpf_usdt_arg_spec`` as libbpf 1.7 has it."""
    return struct.pack(
        "<QBxHHhBB6x",
        argument.value % 2**64,
        argument.type,
        argument.scaled | argument.scale << 12,
        0,
        argument.register,
        argument.size < 0,
        _shift(argument),
    )


def _record_1_0(argument: Argument) -> bytes:
    """Return ``struct __bpf_usdt_arg_spec`` as it is until libbpf 1.6."""
    return struct.pack(
        "<QIhBB",
        argument.value % 2**64,
        argument.type,
        argument.register,
        argument.size < 0,
        _shift(argument),
    )


def _shift(argument: Argument) -> int:
    """Return by how many bits the program shifts a u64 to get the argument's size."""
    return 64 - 8 * abs(argument.size)
