"""Show maps by types that they do not declare: bytes in hex, and global variables as one row."""

from collections.abc import Sequence
from typing import Final

from beepy.btf.btf import Btf
from beepy.btf.types import VOID, TypeId
from beepy.btf.writer import BtfWriter
from beepy.events import raw
from beepy.obj.spec import CollectionSpec, MapSpec, Tracked, VariableSpec

ABSENT: Final = "untyped"
"""The first word of the reason for hex if no type of the object can be right."""


def table(spec: CollectionSpec, map_spec: MapSpec, value: TypeId = VOID) -> Tracked:
    """Return how a table is shown: keys and values without a type are bytes in hex.

    ``value`` is the type of the values, in the place of that which the map declares.
    """
    value = value or map_spec.value
    if spec.btf and map_spec.key and value:
        return Tracked(map_spec.name, None, VOID, value=value)
    types, (key, other) = raw.values(spec.btf, [map_spec.key_size, map_spec.value_size])
    return Tracked(
        map=map_spec.name,
        role=None,
        record=VOID,
        key=map_spec.key or key,
        value=value or other,
        types=types,
        reason="unknown: the map declares no types",
    )


def variables(
    btf: Btf, map_spec: MapSpec, shown: Sequence[VariableSpec]
) -> tuple[Btf, TypeId, TypeId]:
    """Return types that extend ``btf``, with those of the key and value of a section of data.

    Its only entry has no key that is worth showing; its value is a struct of the variables.
    """
    writer = BtfWriter.after(btf)
    key = writer.struct("", map_spec.key_size)
    members = [(variable.name, variable.type, 8 * variable.offset) for variable in shown]
    value = writer.struct("", map_spec.value_size, members)
    return Btf(writer.data(), btf, btf.name), key, value
