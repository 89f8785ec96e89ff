"""Find the counterpart of a local type, field or enumerator in another Btf, as libbpf's relo_core.

All walks are bounded: a malformed graph of types would otherwise cost exponential time. Each pair
of types is compared once, and a Matcher makes at most ``MAX_WORK`` comparisons in its life.
"""

from typing import Final

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.layout import MemberHit, named_members, size_of, skip_mods_and_typedefs
from beepy.btf.names import essential_name
from beepy.btf.types import Kind, Member, TypeId
from beepy.core.access import (
    MAX_STEPS,
    Accessor,
    AccessSpec,
    checked,
    is_flexible,
    of_enumerator,
    of_field,
)
from beepy.errors import RelocationError
from beepy.uapi import CoreReloKind

MAX_LEVEL: Final = 32  # of types within types; libbpf's limit for both relations
MAX_WORK: Final = 500_000  # comparisons
_ENUMS: Final = (Kind.ENUM, Kind.ENUM64)


class Matcher:
    """Compares types of ``local`` with types of ``target``."""

    def __init__(self, local: Btf, target: Btf) -> None:
        self.local = local
        self.target = target
        self._members: dict[TypeId, dict[str, MemberHit]] = {}
        self._compat: dict[tuple[TypeId, TypeId], bool] = {}
        self._matches: dict[tuple[TypeId, TypeId, bool], bool] = {}
        self._work = 0

    def match(self, kind: int, spec: AccessSpec, candidate: TypeId) -> AccessSpec | None:
        """Return the counterpart of ``spec`` in the target type ``candidate``, or None."""
        if of_field(kind):
            return self._field(spec, candidate)
        if of_enumerator(kind):
            return self._enumerator(spec, candidate)
        if kind == CoreReloKind.TYPE_MATCHES:
            verdict = self._types_match(spec.root, candidate, MAX_LEVEL, behind_ptr=False)
        else:
            verdict = self._types_compat(spec.root, candidate, MAX_LEVEL)
        return AccessSpec(candidate) if verdict else None

    def compatible(self, local_id: TypeId, target_id: TypeId) -> bool:
        """Tell whether the types are of one kind and compatible.

        As libbpf's ``bpf_core_types_are_compat``.
        """
        _, mine = skip_mods_and_typedefs(self.local, local_id)
        _, theirs = skip_mods_and_typedefs(self.target, target_id)
        return type(mine) is type(theirs) and self._types_compat(local_id, target_id, MAX_LEVEL)

    def member(self, composite: TypeId, name: str) -> MemberHit | None:
        """Return the member of that name in the target's struct or union ``composite``.

        Members of anonymous structs and unions in it count too.
        """
        return self._members_of(skip_mods_and_typedefs(self.target, composite)[0]).get(name)

    def _spend(self, amount: int = 1) -> None:
        self._work += amount
        if self._work > MAX_WORK:
            raise RelocationError(f"{self.target.name}: more than {MAX_WORK} comparisons of types")

    # fields

    def _field(self, spec: AccessSpec, candidate: TypeId) -> AccessSpec | None:
        local, target = self.local, self.target
        accessors: list[Accessor] = []
        offset = steps = 0
        type_id = candidate
        for position, (local_type, index, name) in enumerate(spec.accessors):
            type_id, resolved = skip_mods_and_typedefs(target, type_id)
            if name:
                if not isinstance(resolved, types.Struct | types.Union):
                    return None
                hit = self._members_of(type_id).get(name)
                if hit is None:
                    return None
                owner = local.type(local_type)
                assert isinstance(owner, types.Struct | types.Union)
                if not self._fields_compat(owner.members[index].type, hit.member.type):
                    return None
                accessors.append(Accessor(hit.owner, hit.number, name))
                offset += hit.offset
                steps += hit.steps
                type_id = hit.member.type
            else:
                if position:
                    if not isinstance(resolved, types.Array):
                        return None
                    if index >= resolved.nelems and not is_flexible(
                        target, accessors[-1], resolved
                    ):
                        return None
                    type_id, resolved = skip_mods_and_typedefs(target, resolved.type)
                accessors.append(Accessor(type_id, index, ""))
                steps += 1
                offset += index * size_of(target, type_id) * 8
            if steps > MAX_STEPS:
                raise RelocationError(
                    f"{target.name}: type {candidate}: nested deeper than {MAX_STEPS}"
                )
        return AccessSpec(candidate, tuple(accessors), checked(offset), steps)

    def _members_of(self, composite: TypeId) -> dict[str, MemberHit]:
        """Return the named members by name (see ``named_members``); of equal names the first."""
        members = self._members.get(composite)
        if members is None:
            members = self._members[composite] = {}
            for hit in named_members(self.target, composite):
                members.setdefault(hit.member.name, hit)
        return members

    def _fields_compat(self, local_id: TypeId, target_id: TypeId) -> bool:
        """Tell whether a field of one type can be read as the other.

        As libbpf's ``bpf_core_fields_are_compat``.
        """
        for _ in range(MAX_LEVEL):
            local_id, mine = skip_mods_and_typedefs(self.local, local_id)
            target_id, theirs = skip_mods_and_typedefs(self.target, target_id)
            match mine, theirs:
                case ((types.Struct() | types.Union()), (types.Struct() | types.Union())):
                    return True
                case (types.Ptr(), types.Ptr()) | (types.Float(), types.Float()):
                    return True
                case types.Fwd(name), types.Fwd(other):
                    return _names_compat(name, other)
                case (
                    (types.Enum(name) | types.Enum64(name)),
                    (types.Enum(other) | types.Enum64(other)),
                ):
                    return _names_compat(name, other)
                case types.Int(), types.Int():
                    return mine.bit_offset == 0 == theirs.bit_offset
                case types.Array(local_id), types.Array(target_id):
                    continue
                case _:
                    return False
        raise self._too_deep(local_id)

    # enumerators

    def _enumerator(self, spec: AccessSpec, candidate: TypeId) -> AccessSpec | None:
        type_id, enum = skip_mods_and_typedefs(self.target, candidate)
        if not isinstance(enum, types.Enum | types.Enum64):
            return None
        wanted = essential_name(spec.accessors[0].name)
        self._spend(len(enum.values))
        for index, (name, _) in enumerate(enum.values):
            if name.startswith(wanted) and essential_name(name) == wanted:
                return AccessSpec(candidate, (Accessor(type_id, index, name),), 0, 1)
        return None

    # types that are compatible: of the same kind, whatever their names are

    def _types_compat(self, local_id: TypeId, target_id: TypeId, level: int) -> bool:
        """Tell whether two types of the same kind are compatible.

        As libbpf's ``bpf_core_types_are_compat``.
        """
        if level <= 0:
            raise self._too_deep(local_id)
        key = local_id, target_id
        verdict = self._compat.get(key)
        if verdict is None:
            verdict = self._compat[key] = self._types_compat_walk(local_id, target_id, level)
        return verdict

    def _types_compat_walk(self, local_id: TypeId, target_id: TypeId, level: int) -> bool:
        for _ in range(MAX_LEVEL):
            self._spend()
            local_id, mine = skip_mods_and_typedefs(self.local, local_id)
            target_id, theirs = skip_mods_and_typedefs(self.target, target_id)
            match mine, theirs:
                case types.Int(), types.Int():
                    return mine.bit_offset == 0 == theirs.bit_offset
                case (types.Ptr(local_id), types.Ptr(target_id)) | (
                    types.Array(local_id),
                    types.Array(target_id),
                ):
                    continue
                case types.FuncProto(), types.FuncProto():
                    pairs = zip(mine.params, theirs.params, strict=False)
                    if len(mine.params) != len(theirs.params) or not all(
                        self._types_compat(param.type, other.type, level - 1)
                        for param, other in pairs
                    ):
                        return False
                    local_id, target_id = mine.type, theirs.type
                case ((types.Enum() | types.Enum64()), (types.Enum() | types.Enum64())):
                    return True
                case ((types.Void() | types.Struct() | types.Union() | types.Fwd()), _):
                    return type(mine) is type(theirs)
                case _:
                    return False
        raise self._too_deep(local_id)

    # types that match: names of types, members and enumerators count too

    def _types_match(
        self, local_id: TypeId, target_id: TypeId, level: int, *, behind_ptr: bool
    ) -> bool:
        """Tell whether two types match, as libbpf's ``bpf_core_types_match`` does.

        With ``behind_ptr`` (a pointer leads to them), structs and unions need only have the same
        name.
        """
        if level <= 0:
            raise self._too_deep(local_id)
        key = local_id, target_id, behind_ptr
        verdict = self._matches.get(key)
        if verdict is None:
            verdict = self._matches[key] = self._types_match_walk(
                local_id, target_id, level, behind_ptr=behind_ptr
            )
        return verdict

    def _types_match_walk(
        self, local_id: TypeId, target_id: TypeId, level: int, *, behind_ptr: bool
    ) -> bool:
        for _ in range(MAX_LEVEL):
            self._spend()
            local_id, mine = skip_mods_and_typedefs(self.local, local_id)
            target_id, theirs = skip_mods_and_typedefs(self.target, target_id)
            if essential_name(getattr(mine, "name", "")) != essential_name(
                getattr(theirs, "name", "")
            ):
                return False
            match mine, theirs:
                case types.Ptr(local_id), types.Ptr(target_id):
                    behind_ptr = True
                case types.Array(), types.Array():
                    if mine.nelems != theirs.nelems:
                        return False
                    local_id, target_id = mine.type, theirs.type
                case types.FuncProto(), types.FuncProto():
                    pairs = zip(mine.params, theirs.params, strict=False)
                    if len(mine.params) != len(theirs.params) or not all(
                        self._types_match(param.type, other.type, level - 1, behind_ptr=behind_ptr)
                        for param, other in pairs
                    ):
                        return False
                    local_id, target_id = mine.type, theirs.type
                case types.Int(), types.Int():
                    return (mine.size, mine.signed) == (theirs.size, theirs.signed)
                case ((types.Enum() | types.Enum64()), (types.Enum() | types.Enum64())):
                    return self._enumerators_match(mine, theirs)
                case types.Fwd(), types.Fwd():
                    return mine.union == theirs.union
                case (types.Struct(members=members), types.Struct(members=others)) | (
                    types.Union(members=members),
                    types.Union(members=others),
                ):
                    return behind_ptr or self._members_match(members, others, level)
                case (types.Struct(), types.Fwd(union=union)) | (
                    types.Fwd(union=union),
                    types.Struct(),
                ):
                    return behind_ptr and not union
                case (types.Union(), types.Fwd(union=union)) | (
                    types.Fwd(union=union),
                    types.Union(),
                ):
                    return behind_ptr and union
                case types.Void(), types.Void():
                    return True
                case _:
                    return False
        raise self._too_deep(local_id)

    def _enumerators_match(self, mine: types.AnyEnum, theirs: types.AnyEnum) -> bool:
        if mine.size != theirs.size or len(mine.values) > len(theirs.values):
            return False
        self._spend(len(theirs.values))
        names = {essential_name(name) for name, _ in theirs.values}
        return all(essential_name(name) in names for name, _ in mine.values)

    def _members_match(
        self, mine: tuple[Member, ...], theirs: tuple[Member, ...], level: int
    ) -> bool:
        if len(mine) > len(theirs):
            return False
        self._spend(len(theirs))
        by_name: dict[str, list[TypeId]] = {}
        for member in theirs:
            by_name.setdefault(essential_name(member.name), []).append(member.type)
        for member in mine:
            others = by_name.get(essential_name(member.name), [])
            if not any(
                self._types_match(member.type, other, level - 1, behind_ptr=False)
                for other in others
            ):
                return False
        return True

    def _too_deep(self, local_id: TypeId) -> RelocationError:
        return RelocationError(
            f"{self.local.name}: type {local_id}: nested deeper than {MAX_LEVEL}"
        )


def kinds_compat(local: Kind, target: Kind) -> bool:
    """Tell whether the kinds are the same, or both enums (libbpf's ``btf_kind_core_compat``)."""
    return local == target or (local in _ENUMS and target in _ENUMS)


def _names_compat(local: str, target: str) -> bool:
    return not local or not target or essential_name(local) == essential_name(target)
