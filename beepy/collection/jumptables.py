"""Create the jump tables that ``gotox`` jumps through: maps of type INSN_ARRAY (v6.19).

The kernel adjusts the entries when it rewrites the program. libbpf's ``create_jt_map`` does the
same.
"""

import struct
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Final

from beepy import maps
from beepy.errors import KernelError
from beepy.kernel.map import Map
from beepy.obj.spec import JumpTableRef, MapSpec, ProgramSpec
from beepy.uapi import MapType

_NAME: Final = ".jumptables"
_VALUE: Final = struct.Struct(
    "<III4x"
)  # struct bpf_insn_array_value: orig_off, and two fields of the kernel's
_ADVICE: Final = (
    "clang -mcpu=v3, or clang -fno-jump-tables, compiles the program without jump tables"
)


def create(program: ProgramSpec, stack: ExitStack) -> Mapping[Sequence[int], Map]:
    """Return the program's jump tables by their targets; ``stack`` closes them.

    They must stay open until the program is loaded, which then holds references of its own.
    Raises NotSupported on a kernel without such maps, KernelError if it refuses them otherwise.
    """
    tables: dict[Sequence[int], Map] = {}
    for ref in program.refs:
        if isinstance(ref, JumpTableRef) and ref.targets not in tables:
            tables[ref.targets] = stack.enter_context(_table(ref.targets))
    return tables


def _table(targets: Sequence[int]) -> Map:
    spec = MapSpec(
        name=_NAME,
        section="",
        type=MapType.INSN_ARRAY,
        key_size=4,
        value_size=_VALUE.size,
        max_entries=len(targets),
    )
    try:
        table = maps.create(spec, None)
    except KernelError as error:
        from beepy.collection import refusals  # noqa: PLC0415 - only where the kernel refuses

        explained = refusals.explain_map(error, spec)
        explained.add_note(_ADVICE)
        raise explained from error
    with ExitStack() as on_failure:
        on_failure.enter_context(table)
        for index, target in enumerate(targets):
            table.update(struct.pack("<I", index), _VALUE.pack(target, 0, 0))
        table.freeze()
        on_failure.pop_all()
    return table
