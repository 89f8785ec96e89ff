"""An object's implementation of kernel operations, laid out as this kernel's struct (libbpf: init_kern_struct_ops)."""

from collections.abc import Mapping
from typing import NamedTuple

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.layout import size_of, skip_mods_and_typedefs
from beepy.btf.names import essential_name
from beepy.btf.types import Kind, Member, TypeId
from beepy.errors import ElfError, NotSupported, RelocationError
from beepy.kernel import btf as kernel_btf
from beepy.obj.spec import CollectionSpec, MapSpec
from beepy.text import safe
from beepy.uapi import MapType

_VALUE = "bpf_struct_ops_"  # the kernel's name of a map's value: its state, then the operations


class Place(NamedTuple):
    """Where a program stands: a byte of the map's value, and the number of the member, its attach type."""

    offset: int
    member: int


class StructOps(NamedTuple):
    """One map, as this kernel wants it: ``value`` still lacks the programs' descriptors."""

    spec: MapSpec
    value_type: TypeId
    type: TypeId
    value: bytes
    programs: Mapping[str, Place]


def plan(spec: CollectionSpec, kernel: Btf | None = None) -> list[StructOps]:
    """Lay out every STRUCT_OPS map of ``spec`` as the kernel of these types wants it, else the running one.

    Raises ElfError for a value that is no struct, NotSupported for operations that this kernel does not have,
    RelocationError for a member that does not fit.
    """
    wanted = [one for one in spec.maps if one.type == MapType.STRUCT_OPS and one.autoload]
    return [_plan(spec.btf, one, kernel or kernel_btf.vmlinux()) for one in wanted]


def _plan(local: Btf | None, one: MapSpec, kernel: Btf) -> StructOps:
    mine = skip_mods_and_typedefs(local, one.value)[1] if local else None
    if local is None or not isinstance(mine, types.Struct):
        raise ElfError(f"map '{safe(one.name)}': type struct_ops: its value is no struct of operations")
    name = essential_name(mine.name)
    where = f"map '{safe(one.name)}': struct {safe(name)}"
    type_id, value_id = kernel.find(name, Kind.STRUCT), kernel.find(_VALUE + name, Kind.STRUCT)
    if type_id is None or value_id is None:
        raise NotSupported(f"{where}: the kernel lets no program implement it", feature=f"struct_ops {name}")
    value, theirs = kernel.type(value_id), kernel.type(type_id)
    assert isinstance(value, types.Struct)
    assert isinstance(theirs, types.Struct)
    start = next((member.offset // 8 for member in value.members if member.type == type_id), None)
    if start is None:
        raise RelocationError(f"{where}: no member of the kernel's {safe(value.name)}")
    contents = bytearray(value.size)
    programs: dict[str, Place] = {}
    slots = dict(one.slots)
    known = {member.name: number for number, member in enumerate(theirs.members)}
    for member in mine.members:
        about = f"{where}: member '{safe(member.name)}'"
        at = member.offset // 8
        size = size_of(local, member.type)
        data = (one.contents or b"")[at : at + size]
        number = known.get(member.name)
        if number is None:  # a program there is left out, unless another map names it
            if any(data):
                raise NotSupported(f"{about}: the kernel has none of that name", feature=f"struct_ops {name}")
            continue
        to = start + theirs.members[number].offset // 8
        if at in slots:
            programs[slots[at]] = Place(to, number)
        elif any(data):
            _check(local, member, kernel, theirs.members[number], about)
            contents[to : to + size] = data
    return StructOps(one, value_id, type_id, bytes(contents), programs)


def _check(local: Btf, mine: Member, kernel: Btf, theirs: Member, about: str) -> None:
    if mine.bitfield_size or theirs.bitfield_size:
        raise RelocationError(f"{about}: a bitfield cannot be set")
    if isinstance(skip_mods_and_typedefs(local, mine.type)[1], types.Ptr):
        raise RelocationError(f"{about}: a pointer that is no program")
    expected, got = size_of(kernel, theirs.type), size_of(local, mine.type)
    if expected != got:
        raise RelocationError(f"{about}: {got} bytes, the kernel's has {expected}")
