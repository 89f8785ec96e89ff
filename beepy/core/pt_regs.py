"""Translate accesses to ``struct pt_regs`` of x86-64 to those of the architecture that runs.

bee compiles every image for x86-64, so a kprobe's arguments are CO-RE reads of ``pt_regs.di`` and
the like, which no other architecture has. Both calling conventions are fixed (System V psABI;
AAPCS64): the first argument is in a register of its own on either side. Only the access changes;
the verifier checks it like any other.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.layout import size_of, skip_mods_and_typedefs
from beepy.btf.names import essential_name
from beepy.btf.types import TypeId
from beepy.core.access import Accessor, AccessSpec
from beepy.core.match import Matcher


class Slot(NamedTuple):
    """A member of the other ``struct pt_regs``, or an ``element`` of it where it is an array."""

    member: str
    element: int | None = None


class Architecture(NamedTuple):
    """An architecture and its registers.

    ``marker`` is a member that only its ``struct pt_regs`` has. ``slots`` maps members of x86-64's
    ``struct pt_regs`` to its own.
    """

    name: str
    marker: str
    slots: Mapping[str, Slot]


TABLE: Final = (
    Architecture(
        "arm64",  # arch/arm64/include/asm/ptrace.h
        "pstate",
        {
            "di": Slot("regs", 0),
            "si": Slot("regs", 1),
            "dx": Slot("regs", 2),
            "cx": Slot("regs", 3),
            "r10": Slot("regs", 3),  # the fourth argument of a system call
            "r8": Slot("regs", 4),
            "r9": Slot("regs", 5),
            "ax": Slot("regs", 0),  # what a function returns
            "bp": Slot("regs", 29),
            "sp": Slot("sp"),
            "ip": Slot("pc"),
        },
    ),
)
# member of an architecture's registers, as the kernel and its user-space headers call them ->
# uname's machine
_MARKERS: Final = {
    **dict.fromkeys(("pstate", "orig_x0"), "aarch64"),
    **dict.fromkeys(("di", "rdi", "orig_ax"), "x86_64"),
    **dict.fromkeys(("epc", "a0"), "riscv64"),
    "csr_era": "loongarch64",
    "gprs": "s390x",
    "uregs": "arm",
}
_STRUCTS: Final = ("pt_regs", "user_pt_regs", "user_regs_struct")


def machine(local: Btf, type_id: TypeId) -> str:
    """Return the machine (uname -m) that the struct holds registers of, "" for any other type."""
    _, root = skip_mods_and_typedefs(local, type_id)
    if not isinstance(root, types.Struct) or essential_name(root.name) not in _STRUCTS:
        return ""
    return next((_MARKERS[member.name] for member in root.members if member.name in _MARKERS), "")


def translate(
    matcher: Matcher, spec: AccessSpec, candidate: TypeId
) -> tuple[str, AccessSpec] | None:
    """Return the target's architecture and the counterpart of ``spec`` in ``candidate``.

    ``candidate`` is the target's ``struct pt_regs``. Return None if ``spec`` is not a member of
    x86-64's ``struct pt_regs``, or if the target's architecture is not in TABLE.
    """
    root = matcher.local.type(spec.root)
    if (
        not isinstance(root, types.Struct)
        or essential_name(root.name) != "pt_regs"
        or len(spec.accessors) != 2
    ):
        return None
    name = spec.accessors[1].name
    for architecture in TABLE:
        slot = architecture.slots.get(name)
        if slot and matcher.member(candidate, architecture.marker):
            access = _access(matcher, candidate, slot)
            return (architecture.name, access) if access else None
    return None


def _access(matcher: Matcher, candidate: TypeId, slot: Slot) -> AccessSpec | None:
    hit = matcher.member(candidate, slot.member)
    if hit is None:
        return None
    accessors = (Accessor(candidate, 0, ""), Accessor(hit.owner, hit.number, slot.member))
    if slot.element is None:
        return AccessSpec(candidate, accessors, hit.offset, 1 + hit.steps)
    _, array = skip_mods_and_typedefs(matcher.target, hit.member.type)
    if not isinstance(array, types.Array) or slot.element >= array.nelems:
        return None
    element, _ = skip_mods_and_typedefs(matcher.target, array.type)
    offset = hit.offset + 8 * slot.element * size_of(matcher.target, element)
    return AccessSpec(
        candidate, (*accessors, Accessor(element, slot.element, "")), offset, 2 + hit.steps
    )
