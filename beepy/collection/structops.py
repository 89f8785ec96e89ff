"""Lay out STRUCT_OPS maps as the kernel's structs (libbpf: bpf_map__init_kern_struct_ops)."""

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

_VALUE_PREFIX = "bpf_struct_ops_"  # of the struct that is a map's value: state, then the operations


class MemberSlot(NamedTuple):
    """Where a program's descriptor goes: ``offset`` in bytes within the map's value.

    ``member`` is the number of the member, which is the program's expected_attach_type.
    """

    offset: int
    member: int


class StructOps(NamedTuple):
    """A STRUCT_OPS map in this kernel's layout; ``value`` still lacks the programs' descriptors.

    ``type`` is the kernel's struct of operations, ``value_type`` the struct that contains it.
    """

    spec: MapSpec
    value_type: TypeId
    type: TypeId
    value: bytes
    programs: Mapping[str, MemberSlot]


def plan(spec: CollectionSpec, kernel: Btf | None = None) -> list[StructOps]:
    """Lay out every STRUCT_OPS map of ``spec`` for the running kernel, or the one of these types.

    Raises ElfError if a value is not a struct, NotSupported if this kernel lacks the operations,
    RelocationError for a member that does not fit.
    """
    return [
        _plan(spec.btf, map_spec, kernel or kernel_btf.vmlinux())
        for map_spec in spec.maps
        if map_spec.type == MapType.STRUCT_OPS and map_spec.autoload
    ]


def _plan(local: Btf | None, map_spec: MapSpec, kernel: Btf) -> StructOps:
    where = f"map '{safe(map_spec.name)}'"
    local_struct = skip_mods_and_typedefs(local, map_spec.value)[1] if local else None
    if local is None or not isinstance(local_struct, types.Struct):
        raise ElfError(f"{where}: type struct_ops: its value is not a struct of operations")
    name = essential_name(local_struct.name)
    where += f": struct {safe(name)}"
    type_id = kernel.find(name, Kind.STRUCT)
    value_id = kernel.find(_VALUE_PREFIX + name, Kind.STRUCT)
    if type_id is None or value_id is None:
        raise NotSupported(
            f"{where}: the kernel lets no program implement it", feature=f"struct_ops {name}"
        )
    value_struct, kernel_struct = kernel.type(value_id), kernel.type(type_id)
    assert isinstance(value_struct, types.Struct)
    assert isinstance(kernel_struct, types.Struct)
    offsets = [member.offset // 8 for member in value_struct.members if member.type == type_id]
    if not offsets:
        raise RelocationError(f"{where}: not a member of the kernel's {safe(value_struct.name)}")
    value = bytearray(value_struct.size)
    programs: dict[str, MemberSlot] = {}
    slots = dict(map_spec.slots)
    numbers = {member.name: number for number, member in enumerate(kernel_struct.members)}
    for member in local_struct.members:
        about = f"{where}: member '{safe(member.name)}'"
        offset = member.offset // 8
        size = size_of(local, member.type)
        data = (map_spec.contents or b"")[offset : offset + size]
        number = numbers.get(member.name)
        if number is None:  # the plan skips a program of this member if no other map refers to it
            if any(data):
                raise NotSupported(
                    f"{about}: the kernel's struct does not have it", feature=f"struct_ops {name}"
                )
            continue
        kernel_offset = offsets[0] + kernel_struct.members[number].offset // 8
        if offset in slots:
            programs[slots[offset]] = MemberSlot(kernel_offset, number)
        elif any(data):
            _check_data(local, member, kernel, kernel_struct.members[number], about)
            value[kernel_offset : kernel_offset + size] = data
    return StructOps(map_spec, value_id, type_id, bytes(value), programs)


def _check_data(
    local: Btf, local_member: Member, kernel: Btf, kernel_member: Member, about: str
) -> None:
    """Raise RelocationError for a member that cannot be copied into the kernel's."""
    if local_member.bitfield_size or kernel_member.bitfield_size:
        raise RelocationError(f"{about}: a bitfield cannot be set")
    if isinstance(skip_mods_and_typedefs(local, local_member.type)[1], types.Ptr):
        raise RelocationError(f"{about}: a pointer to something else than a program")
    expected, got = size_of(kernel, kernel_member.type), size_of(local, local_member.type)
    if expected != got:
        raise RelocationError(f"{about}: {got} bytes, the kernel's has {expected}")
