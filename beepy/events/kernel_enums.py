"""The kernel's own enums, numbered as the running kernel numbers them: drop reasons move between versions."""

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.names import essential_name
from beepy.btf.types import AnyEnum, Enumerator


def renumbered(found: AnyEnum, kernel: Btf) -> AnyEnum:
    """Return an image's enum with the kernel's enumerators, if the kernel's enum of that name has all of its names.

    A number that the kernel's enum lacks keeps the image's name.
    """
    names = {essential_name(value.name) for value in found.values}
    for type_id in kernel.named(essential_name(found.name)):
        other = kernel.type(type_id)
        if isinstance(other, types.Enum | types.Enum64) and names <= {value.name for value in other.values}:
            known = [Enumerator(name, _as_read(value, found)) for name, value in other.values]
            numbers = {value for _, value in known}
            return found._replace(values=(*known, *[value for value in found.values if value.value not in numbers]))
    return found


def _as_read(value: int, found: AnyEnum) -> int:
    """Return the number that a value of the kernel's is where it is read as the image's type."""
    bits = 8 * found.size
    value &= (1 << bits) - 1
    return value - (1 << bits) if found.signed and value >> bits - 1 else value
