"""What the kernel is told of a program's code: the types of its functions, its source lines."""

import struct
from collections.abc import Mapping

from beepy.btf.types import TypeId
from beepy.obj.spec import ProgramSpec
from beepy.uapi import ProgType


def functions(
    spec: ProgramSpec, prog_type: ProgType, contexts: Mapping[tuple[ProgType, TypeId], TypeId]
) -> bytes:
    """Return the program's ``struct bpf_func_info`` records.

    The kernel requires one for each function, or none at all.
    """
    if [info.insn for info in spec.func_infos] != [start for _, start in spec.functions]:
        return b""
    records = [
        (insn, contexts.get((prog_type, type_id), type_id)) for insn, type_id in spec.func_infos
    ]
    return b"".join([struct.pack("<II", *record) for record in records])


def lines(spec: ProgramSpec) -> bytes:
    """Return the program's ``struct bpf_line_info`` records.

    The kernel requires one for the first instruction of each function, or none at all.
    """
    starts = {info.insn for info in spec.line_infos}
    if not all(start in starts for _, start in spec.functions):
        return b""
    return b"".join([struct.pack("<IIII", *info) for info in spec.line_infos])
