"""Read struct_ops, implementations of kernel operations.

They are variables in ``.struct_ops`` and ``.struct_ops.link``. Each is a struct such as
``tcp_congestion_ops``; its pointers to functions are relocations against programs. It becomes a
map of type STRUCT_OPS: ``contents`` are the variable's bytes, ``slots`` the programs by their
offsets in bytes.
"""

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.layout import skip_mods_and_typedefs
from beepy.errors import ElfError
from beepy.obj.elf import Elf, Section, between
from beepy.obj.sections import LINKED_STRUCT_OPS, STRUCT_OPS
from beepy.obj.spec import MapSpec
from beepy.text import safe
from beepy.uapi import MapFlag, MapType


def read(btf: Btf, elf: Elf) -> tuple[MapSpec, ...]:
    """Return a STRUCT_OPS MapSpec for each variable in ``STRUCT_OPS``.

    The DATASECs of ``btf`` must be fixed up (see ``datasec``). Raises ElfError for a malformed
    variable.
    """
    maps: list[MapSpec] = []
    for section in elf.sections:
        if section.name in STRUCT_OPS and section.size:
            datasec_id = btf.datasec(section.name)
            datasec = btf.type(datasec_id) if datasec_id is not None else None
            if not isinstance(datasec, types.DataSec):
                raise ElfError(f"{btf.name}: section {section.name}: has no types")
            maps += [_spec(btf, elf, section, info) for info in datasec.vars]
    return tuple(maps)


def _spec(btf: Btf, elf: Elf, section: Section, info: types.VarSecInfo) -> MapSpec:
    variable = btf.type(info.type)
    implementation = (
        skip_mods_and_typedefs(btf, variable.type)[1] if isinstance(variable, types.Var) else None
    )
    if not isinstance(variable, types.Var) or not isinstance(implementation, types.Struct):
        raise ElfError(f"{btf.name}: section {section.name}: type {info.type} is not a struct")
    contents = section.data[info.offset : info.offset + info.size]
    if len(contents) != info.size:
        where = f"{btf.name}: '{safe(variable.name)}'"
        raise ElfError(f"{where}: {info.size} bytes at {info.offset} exceed section {section.name}")
    slots = tuple(
        [
            (relocation.offset - info.offset, relocation.symbol.name)
            for relocation in between(
                elf.relocations.get(section.number, ()), info.offset, info.size
            )
        ]
    )
    return MapSpec(
        name=variable.name,
        section=section.name,
        type=MapType.STRUCT_OPS,
        key_size=4,
        value_size=info.size,
        max_entries=1,
        flags=MapFlag.LINK if section.name in LINKED_STRUCT_OPS else 0,
        value=variable.type,
        contents=contents,
        slots=slots,
    )
