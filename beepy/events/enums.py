"""Names of an enum's values, by the kernel's numbers where the enum is the kernel's own.

The numbers of such enums change between versions of the kernel: reasons for dropped packets do.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.names import essential_name
from beepy.btf.types import AnyEnum, Enumerator
from beepy.events.codec import Value

_MIN_FLAGS: Final = 3  # single bits that make an enum one of flags
_MIN_COMMON: Final = 3  # names that two enums do not have in common by chance, as NONE and OK


def renumbered(enum: AnyEnum, kernel: Btf) -> AnyEnum:
    """Return an image's enum with the values of the kernel's enum that has its name and members.

    The kernel's enum must have all enumerators of the image's, or most of them and at least three:
    a kernel may have dropped or renamed some since. A number that it lacks keeps the image's name.
    """
    names = {essential_name(enumerator.name) for enumerator in enum.values}
    best, most = None, -1
    for type_id in kernel.named(essential_name(enum.name)):
        other = kernel.type(type_id)
        if isinstance(other, types.Enum | types.Enum64):
            common = len(names & {enumerator.name for enumerator in other.values})
            if common > most:
                best, most = other, common
    if best is None or (most < len(names) and (most < _MIN_COMMON or 2 * most <= len(names))):
        return enum
    known = [Enumerator(name, _as_type_of(enum, value)) for name, value in best.values]
    numbers = {value for _, value in known}
    rest = [enumerator for enumerator in enum.values if enumerator.value not in numbers]
    return enum._replace(values=(*known, *rest))


def _as_type_of(enum: AnyEnum, value: int) -> int:
    """Return the number that a value of the kernel's is when it is read with the image's type."""
    bits = 8 * enum.size
    value &= (1 << bits) - 1
    return value - (1 << bits) if enum.signed and value >> bits - 1 else value


def namer(enum: AnyEnum, bits: int) -> Callable[[int], Value]:
    """Return a function from a value of ``bits`` bits to its name, or to itself if it has none.

    An enum of at least three single bits, and of nothing else but 0, is one of flags: a value
    without a name is shown as the names of its bits joined by ``|``, and the rest in hex.
    """
    names: dict[int, str] = {}
    for name, value in enum.values:
        # clang before 15 writes -1 as unsigned, in 32 bits however many the member has
        names.setdefault(value if enum.signed else value & (1 << bits) - 1, name)
    flags = {value: name for value, name in names.items() if value}
    if len(flags) < _MIN_FLAGS or any(value < 0 or value & value - 1 for value in flags):
        return lambda value: names.get(value, value)
    return partial(_flags, names, sorted(flags.items()))


def _flags(names: Mapping[int, str], flags: list[tuple[int, str]], value: int) -> Value:
    if value in names:
        return names[value]
    known = [(bit, name) for bit, name in flags if value & bit] if value > 0 else []
    if not known:
        return value
    rest = value & ~sum(bit for bit, _ in known)
    return "|".join([name for _, name in known] + ([f"{rest:#x}"] if rest else []))
