"""A BPF instruction, one 8-byte slot at a time, as ELF, .BTF.ext and the verifier count.

::

    byte   0      1 (low, high nibble)   2..3          4..7
         | code | dst_reg | src_reg |   off (s16)  |  imm (s32) |

LD_IMM64 takes two slots; the second one has code 0 and holds the upper half of the constant in
``imm``.
"""

from collections.abc import Iterable
from struct import Struct as Packer
from typing import Final, NamedTuple

SLOT: Final = 8  # bytes

# code: class (bits 0..2); loads and stores: size (3..4), mode (5..7); ALU and jumps: source (3),
# operation (4..7)
CLASS: Final = 0x07
LD: Final = 0x00
LDX: Final = 0x01
ST: Final = 0x02
STX: Final = 0x03
ALU: Final = 0x04
JMP: Final = 0x05
JMP32: Final = 0x06
ALU64: Final = 0x07

SIZE: Final = 0x18
W: Final = 0x00  # 4 bytes
H: Final = 0x08  # 2 bytes
B: Final = 0x10  # 1 byte
DW: Final = 0x18  # 8 bytes

MODE: Final = 0xE0
MEM: Final = 0x60
MEMSX: Final = 0x80
ATOMIC: Final = 0xC0  # of STX; imm has the operation

SOURCE: Final = 0x08
K: Final = 0x00  # the operand is imm
X: Final = 0x08  # the operand is src

OPERATION: Final = 0xF0
ADD: Final = 0x00
SUB: Final = 0x10
MOV: Final = 0xB0
_CALL_OR_EXIT: Final = (0x80, 0x90)

# imm of atomic operations
FETCH: Final = 0x01  # a flag: src takes the old value
CMPXCHG: Final = 0xF1  # r0 takes it
LOAD_ACQUIRE: Final = 0x100
STORE_RELEASE: Final = 0x110

FRAME: Final = 10  # the register that points to the end of the stack

GOTO: Final = JMP
GOTO_LONG: Final = JMP32  # imm is the distance
GOTO_TABLE: Final = JMP | X  # to an entry of a jump table
LD_IMM64: Final = 0x18
CALL: Final = 0x85
EXIT: Final = 0x95
MOV64_IMM: Final = 0xB7

# src of LD_IMM64
PSEUDO_MAP_FD: Final = 1
PSEUDO_MAP_VALUE: Final = 2
PSEUDO_BTF_ID: Final = 3
PSEUDO_FUNC: Final = 4
# src of CALL
PSEUDO_CALL: Final = 1
PSEUDO_KFUNC_CALL: Final = 2

JUMPS: Final = frozenset(
    [
        code
        for code in range(256)
        if code & CLASS in (JMP, JMP32) and code & OPERATION not in _CALL_OR_EXIT
    ]
)
"""The codes of jumps, also of conditional ones."""

_SLOT = Packer("<BBhi")


class Insn(NamedTuple):
    """One slot; ``_replace`` returns a patched one."""

    code: int
    dst: int = 0
    src: int = 0
    off: int = 0
    imm: int = 0

    @property
    def wide(self) -> bool:
        """Tell whether this is the first of LD_IMM64's two slots."""
        return self.code == LD_IMM64

    @property
    def call(self) -> bool:
        """Tell whether this calls another function of the same program."""
        return self.code == CALL and self.src == PSEUDO_CALL


def jumps(code: int) -> bool:
    """Tell whether instructions of this code are jumps, perhaps conditional ones."""
    return code in JUMPS


def successors(index: int, insn: Insn, table: Iterable[int] = ()) -> list[int]:
    """Return where code goes on after instruction ``index``: behind a call, too.

    ``table`` has the entries of the program's jump tables. The code may end before an index.
    """
    following = index + 1 + insn.wide
    if insn.code == EXIT:
        return []
    if insn.code == GOTO_TABLE:
        return [*table]
    if insn.code in (GOTO, GOTO_LONG):
        return [following + (insn.off if insn.code == GOTO else insn.imm)]
    return [following, following + insn.off] if jumps(insn.code) else [following]


def s32(value: int) -> int:
    """Return the lower 32 bits of ``value`` as a signed number, as ``imm`` holds them."""
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


def decode(data: bytes) -> tuple[Insn, ...]:
    """Return the slots of ``data``; its length must be a multiple of 8 bytes."""
    new = tuple.__new__  # as Insn(...) does, without a call in Python for each
    return tuple(
        [
            new(Insn, (code, regs & 15, regs >> 4, off, imm))
            for code, regs, off, imm in _SLOT.iter_unpack(data)
        ]
    )


def encode(insns: tuple[Insn, ...]) -> bytes:
    """Return the bytes of ``insns``, 8 each."""
    pack = _SLOT.pack
    return b"".join([pack(code, dst | src << 4, off, imm) for code, dst, src, off, imm in insns])
