"""Small programs, instruction by instruction."""

from beepy.kernel.map import Map
from beepy.obj.insn import CALL, EXIT, LD_IMM64, PSEUDO_MAP_FD, Insn, encode

MOV_K, MOV_X, RSH_K, ADD_K = 0xB7, 0xBF, 0x77, 0x07
JNE_K, JEQ_K = 0x55, 0x15
ST_W, LDX_W, ATOMIC_DW = 0x62, 0x61, 0xDB
LOOKUP_ELEM, GET_CURRENT_PID_TGID = 1, 14


def returns(value: int) -> bytes:
    """A program that returns ``value``."""
    return encode((Insn(MOV_K, 0, imm=value), Insn(EXIT)))


def returns_process() -> bytes:
    """A program that returns the number of the process that runs it."""
    return encode((Insn(CALL, imm=GET_CURRENT_PID_TGID), Insn(RSH_K, 0, imm=32), Insn(EXIT)))


def unreachable() -> bytes:
    """A program that the verifier refuses, with a log."""
    return encode((Insn(EXIT), Insn(EXIT)))


def counts(counter: Map, process: int) -> bytes:
    """Return a program that adds 1 to the first u64 of an array if ``process`` runs it.

    The program returns 0.
    """
    return encode(
        (
            Insn(CALL, imm=GET_CURRENT_PID_TGID),
            Insn(RSH_K, 0, imm=32),
            Insn(JNE_K, 0, off=9, imm=process),
            Insn(ST_W, 10, off=-4, imm=0),
            Insn(MOV_X, 2, 10),
            Insn(ADD_K, 2, imm=-4),
            Insn(LD_IMM64, 1, PSEUDO_MAP_FD, imm=counter.fd.fileno()),
            Insn(0),
            Insn(CALL, imm=LOOKUP_ELEM),
            Insn(JEQ_K, 0, off=2, imm=0),
            Insn(MOV_K, 1, imm=1),
            Insn(ATOMIC_DW, 0, 1),
            Insn(MOV_K, 0, imm=0),
            Insn(EXIT),
        )
    )
