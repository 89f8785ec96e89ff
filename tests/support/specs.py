"""Specs of objects that have maps only, and of programs."""

from beepy.btf.btf import Btf
from beepy.btf.writer import BtfWriter
from beepy.obj.insn import Insn
from beepy.obj.spec import CollectionSpec, MapSpec, ProgramSpec, Ref


def spec(*maps: MapSpec, writer: BtfWriter | None = None) -> CollectionSpec:
    btf = Btf(writer.data(), name="object") if writer else None
    return CollectionSpec("exitsnoop:1", "GPL", (), maps, (), (), btf)


def program(*insns: Insn, refs: tuple[Ref, ...] = (), name: str = "p") -> ProgramSpec:
    return ProgramSpec(name, "raw_tp/x", insns, refs, (), (), (), ((name, 0),))
