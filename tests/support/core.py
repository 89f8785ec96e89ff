"""Programs that hold nothing but CO-RE relocations."""

from beepy.btf.btf import Btf
from beepy.btf.types import TypeId
from beepy.btf.writer import BtfWriter
from beepy.core.resolve import Fixup, Resolver
from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.obj.spec import CoreRef, ProgramSpec
from beepy.uapi import CoreReloKind

MOV = op.ALU64 | op.K | 0xB0  # r = imm
LDX_W = op.LDX | op.MEM | op.W


def program(insns: tuple[Insn, ...], refs: tuple[CoreRef, ...] = ()) -> ProgramSpec:
    return ProgramSpec("prog", "tracepoint/a/b", insns, (), refs, (), (), (("prog", 0),))


def ref(
    type_id: int, access: str = "0", kind: int = CoreReloKind.FIELD_BYTE_OFFSET, at: int = 0
) -> CoreRef:
    return CoreRef(at, TypeId(type_id), access, kind)


def resolve(
    local: BtfWriter,
    target: BtfWriter,
    one: CoreRef,
    insn: Insn = Insn(MOV),  # noqa: B008 - a constant
) -> Fixup:
    """Return what becomes of one relocation."""
    resolver = Resolver(Btf(local.data(), name="local"), [Btf(target.data(), name="vmlinux")])
    (fixup,) = resolver.fixups(program((insn, Insn(0)), (one,)))
    return fixup
