"""Write BPF programs that fill ring and perf buffers, as raw instructions: no compiler.

A program is a list of steps. Every record begins with a serial number (u64, from 1 on) that all
runs share; the rest is the source map's bytes.
"""

from types import TracebackType
from typing import Final, NamedTuple, Self

from beepy.kernel import map as kernel_map
from beepy.kernel import program as kernel_program
from beepy.kernel.map import Map
from beepy.kernel.program import Program
from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.uapi import MapType, ProgFlag, ProgType

PERF_EVENT_OUTPUT: Final = 25
RINGBUF_OUTPUT: Final = 130
RINGBUF_RESERVE: Final = 131
RINGBUF_SUBMIT: Final = 132
RINGBUF_DISCARD: Final = 133
COPY_FROM_USER: Final = 148

SOURCE: Final = 1 << 19  # bytes of the longest record
PACKET: Final = bytes(64)

_MOV = op.ALU64 | op.X | 0xB0
_MOV_K = op.ALU64 | op.K | 0xB0
_ADD_K = op.ALU64 | op.K | 0x00
_JEQ_K = op.JMP | op.K | 0x10


class Output(NamedTuple):
    """bpf_ringbuf_output of ``size`` bytes."""

    size: int


class PerfOutput(NamedTuple):
    """bpf_perf_event_output of ``size`` bytes, on the CPU that runs it."""

    size: int


class Submit(NamedTuple):
    """bpf_ringbuf_reserve and submit; only the serial number is written."""

    size: int


class Discard(NamedTuple):
    """bpf_ringbuf_reserve and discard; no serial number is used up."""

    size: int


class Hold(NamedTuple):
    """Reserve, read 8 bytes of user memory at the address in the context (may block), submit."""

    size: int


Step = Output | PerfOutput | Submit | Discard | Hold


def _map(register: int, map_: Map, *, value: bool = False) -> tuple[Insn, Insn]:
    pseudo = op.PSEUDO_MAP_VALUE if value else op.PSEUDO_MAP_FD
    return Insn(op.LD_IMM64, register, pseudo, imm=map_.fd.fileno()), Insn(0)


_NEXT_SERIAL = (
    Insn(op.LDX | op.MEM | op.DW, 8, 6),  # r8 = *source + 1
    Insn(_ADD_K, 8, imm=1),
    Insn(op.STX | op.MEM | op.DW, 6, 8),
)


def _call(helper: int) -> Insn:
    return Insn(op.CALL, imm=helper)


def _step(step: Step, ring: Map) -> tuple[Insn, ...]:
    reserve = (
        *_map(1, ring),
        Insn(_MOV_K, 2, imm=step.size),
        Insn(_MOV_K, 3),
        _call(RINGBUF_RESERVE),
    )
    match step:
        case Output(size):
            arguments = (
                *_map(1, ring),
                Insn(_MOV, 2, 6),
                Insn(_MOV_K, 3, imm=size),
                Insn(_MOV_K, 4),
            )
            return (*_NEXT_SERIAL, *arguments, _call(RINGBUF_OUTPUT))
        case PerfOutput(size):
            current = (Insn(op.LD_IMM64, 3, imm=-1), Insn(0))  # BPF_F_CURRENT_CPU
            buffer = (
                Insn(_MOV, 1, 7),
                *_map(2, ring),
                *current,
                Insn(_MOV, 4, 6),
                Insn(_MOV_K, 5, imm=size),
            )
            return (*_NEXT_SERIAL, *buffer, _call(PERF_EVENT_OUTPUT))
        case Submit():
            then: tuple[Insn, ...] = (*_NEXT_SERIAL, Insn(op.STX | op.MEM | op.DW, 0, 8))
            last = RINGBUF_SUBMIT
        case Discard():
            then = ()
            last = RINGBUF_DISCARD
        case Hold():
            then = (
                Insn(_MOV, 8, 0),
                Insn(_MOV, 1, 0),
                Insn(_MOV_K, 2, imm=8),
                Insn(op.LDX | op.MEM | op.DW, 3, 7),
                _call(COPY_FROM_USER),
                Insn(_MOV, 0, 8),
            )
            last = RINGBUF_SUBMIT
    finish = (*then, Insn(_MOV, 1, 0), Insn(_MOV_K, 2), _call(last))
    return (*reserve, Insn(_JEQ_K, 0, off=len(finish)), *finish)


class Producer:
    """A packet program (``hold``: a sleepable SYSCALL one) that does ``steps`` in each run."""

    def __init__(self, ring: Map, *steps: Step) -> None:
        sleepable = any(isinstance(step, Hold) for step in steps)
        self.source = kernel_map.create(MapType.ARRAY, "source", 4, SOURCE, 1)
        body = [insn for step in steps for insn in _step(step, ring)]
        insns = (
            Insn(_MOV, 7, 1),
            *_map(6, self.source, value=True),
            *body,
            Insn(_MOV_K, 0),
            Insn(op.EXIT),
        )
        self.program: Program = kernel_program.load(
            "producer",
            "",
            ProgType.SYSCALL if sleepable else ProgType.SCHED_CLS,
            op.encode(insns),
            "GPL",
            flags=ProgFlag.SLEEPABLE if sleepable else ProgFlag(0),
        )

    def run(self, times: int = 1) -> None:
        self.program.run(data=PACKET, repeat=times)

    def hold(self, address: int) -> None:
        """Run once; blocks as long as reading ``address`` does."""
        self.program.run(ctx=address.to_bytes(8, "little"))

    def serial(self) -> int:
        """Return the last serial number."""
        value = self.source.lookup(bytes(4))
        assert value
        return int.from_bytes(value[:8], "little")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.program.close()
        self.source.close()
