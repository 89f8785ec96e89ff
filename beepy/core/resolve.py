"""Resolve the CO-RE relocations of a program against a kernel's types, as libbpf's relo_core."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Final, NamedTuple

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.names import essential_name
from beepy.btf.types import TypeId
from beepy.core.access import KIND_NAMES, AccessSpec, of_field, parse, show
from beepy.core.match import Matcher, kinds_compat
from beepy.core.values import may_widen, value_of
from beepy.errors import BeepyError, BtfError, RelocationError
from beepy.obj.insn import CLASS, LDX, ST, STX
from beepy.obj.spec import CoreRef, ProgramSpec
from beepy.text import safe
from beepy.uapi import CoreReloKind

_LOADS_AND_STORES: Final = (LDX, ST, STX)
# candidates for all accesses of an object; a large object has some thousand
_MAX_COMPARED: Final = 1 << 15


class Fixup(NamedTuple):
    """What one relocation does to the instruction ``insn``.

    ``old`` is the value that the compiler wrote (checked if ``validate``), ``new`` the value that
    replaces it, both as u64. ``old_size`` and ``new_size`` are the field's bytes; if they differ, a
    load or store changes its width.

    ``poison``: the instruction becomes one that the verifier refuses if it is reached, because the
    target lacks the type or field; or, if ``validate``, because the load or store cannot change its
    width (``memsz_mismatch``).

    ``access`` is the type or field as C writes it. ``machine`` is the machine (uname -m) that the
    missing registers belong to, "" if something else is missing.
    """

    insn: int
    kind: int
    old: int
    new: int
    poison: bool
    validate: bool
    old_size: int = 0
    new_size: int = 0
    access: str = ""
    machine: str = ""

    def __str__(self) -> str:
        return f"{self.access} {KIND_NAMES[self.kind]} {self.old} -> {self.outcome}"

    @property
    def outcome(self) -> str:
        """The new value in words, or why the field cannot be read."""
        if self.poison and not self.memsz_mismatch:
            return "missing"
        width = (
            f", {self.old_size} -> {self.new_size} bytes" if self.new_size != self.old_size else ""
        )
        return (
            f"{self.new}{width}{': cannot be read in another width' if self.memsz_mismatch else ''}"
        )

    @property
    def memsz_mismatch(self) -> bool:
        """Whether the target has the field, but a load or store cannot take its width.

        As libbpf's ``fail_memsz_adjust``.
        """
        return self.poison and self.validate


class _Decision(NamedTuple):
    """The part of a ``Fixup`` that does not depend on the instruction."""

    access: str
    old: int
    new: int
    missing: bool = False
    validate: bool = False
    old_size: int = 0
    new_size: int = 0
    memsz_mismatch: bool = False


class _Candidate(NamedTuple):
    """A target's type that may be the counterpart of a local one."""

    matcher: Matcher
    type: TypeId


class _Access(NamedTuple):
    """What all relocations of one access share.

    A bitfield has several relocations, and so has a field that is tested for existence. ``text`` is
    the access as C writes it, ``targets`` are its counterparts in the candidates compared so far.
    """

    spec: AccessSpec
    text: str
    targets: dict[_Candidate, AccessSpec | None]


class Resolver:
    """Resolves relocations of an object's types ``local`` against a kernel's types.

    ``targets`` are vmlinux, then its modules. Modules are read only if vmlinux has no candidate for
    a type, as in libbpf's ``bpf_core_find_cands``; ``targets`` may be a function, which is called
    when the first type is needed. As in libbpf, once a candidate has passed a relocation of a local
    type, those that failed it are no longer candidates: all relocations of a type agree on its
    flavor.

    ``architectures`` are the names of those that accesses to registers were translated to (see
    ``core.pt_regs``).
    """

    def __init__(self, local: Btf, targets: Callable[[], Iterator[Btf]] | Iterable[Btf]) -> None:
        self._local = local
        self._unread = iter(targets() if callable(targets) else targets)
        self._read_error: BeepyError | None = None  # of a target that could not be read
        self._matchers: list[Matcher] = []  # one for each target read so far
        self._flavors: list[dict[str, list[TypeId]]] = []  # of each target: those looked up so far
        self._names: set[str] = set()  # to be looked up together
        self._candidates: dict[TypeId, list[_Candidate]] = {}
        self._accesses: dict[tuple[TypeId, str, int], _Access] = {}
        self._decisions: dict[tuple[TypeId, str, int], _Decision] = {}
        self._left = _MAX_COMPARED
        self.architectures: set[str] = set()

    def prefetch(self, programs: Iterable[ProgramSpec]) -> None:
        """Note the types of all these programs, so that one search finds all of them.

        It takes as long as a search for one type.
        """
        for type_id in {ref.type for program in programs for ref in program.core}:
            with suppress(BtfError):
                self._names.add(self._name(type_id))

    def fixups(self, program: ProgramSpec) -> tuple[Fixup, ...]:
        """Return one fixup for each of the program's CO-RE relocations, in their order.

        Raises RelocationError for what libbpf refuses too: an ambiguous or impossible relocation,
        malformed types. A field or type that the kernel lacks is not an error, see
        ``Fixup.poison``.
        """
        fixups = []
        for number, ref in enumerate(program.core):
            try:
                fixups.append(self._fixup(program, ref))
            except (RelocationError, BtfError) as error:
                where = (
                    f"program '{safe(program.name)}': relocation {number} ({self._describe(ref)})"
                )
                raise RelocationError(f"{where}: {error}") from error
        return tuple(fixups)

    def _fixup(self, program: ProgramSpec, ref: CoreRef) -> Fixup:
        if not 0 <= ref.insn < len(program.insns):
            raise RelocationError(f"instruction {ref.insn} does not exist")
        key = ref.type, ref.access, ref.kind
        decision = self._decisions.get(key)
        if decision is None:
            decision = self._decisions[key] = self._decide(ref)
        # only a load or store has a width: any other instruction takes the new value, no matter
        # what the field's size is
        mismatch = (
            decision.memsz_mismatch and program.insns[ref.insn].code & CLASS in _LOADS_AND_STORES
        )
        poison = decision.missing or mismatch
        return Fixup(
            insn=ref.insn,
            kind=ref.kind,
            old=decision.old,
            new=decision.new,
            poison=poison,
            validate=decision.validate,
            old_size=decision.old_size,
            new_size=decision.new_size,
            access=decision.access,
            machine=self._machine(ref.type) if poison else "",
        )

    def _machine(self, type_id: TypeId) -> str:
        from beepy.core import pt_regs  # noqa: PLC0415 - few objects have poisoned relocations

        return pt_regs.machine(self._local, type_id)

    def _describe(self, ref: CoreRef) -> str:
        kind = KIND_NAMES[ref.kind] if 0 <= ref.kind < len(KIND_NAMES) else f"kind {ref.kind}"
        try:
            return f"{kind} {show(self._local, parse(self._local, ref))}"
        except (RelocationError, BtfError):
            return f"{kind} of type {ref.type}"

    def _access(self, ref: CoreRef) -> _Access:
        key = (
            ref.type,
            ref.access,
            CoreReloKind.FIELD_BYTE_OFFSET if of_field(ref.kind) else ref.kind,
        )
        access = self._accesses.get(key)
        if access is None:
            spec = parse(self._local, ref)
            access = self._accesses[key] = _Access(spec, show(self._local, spec), {})
        return access

    def _decide(self, ref: CoreRef) -> _Decision:
        access = self._access(ref)
        if ref.kind == CoreReloKind.TYPE_ID_LOCAL:
            return _Decision(access.text, ref.type, ref.type)
        kept: list[_Candidate] = []
        first: tuple[AccessSpec, _Decision] | None = None
        for candidate in self._candidates_of(ref.type):
            if candidate not in access.targets:
                self._left -= 1
                if self._left < 0:
                    raise RelocationError(
                        f"more than {_MAX_COMPARED} candidates for the types of the object"
                    )
                access.targets[candidate] = candidate.matcher.match(
                    ref.kind, access.spec, candidate.type
                )
            target = access.targets[candidate]
            if target is None:
                continue
            kept.append(candidate)
            decision = self._compare(ref.kind, access, candidate.matcher.target, target)
            if first is None:
                first = target, decision
            elif (target.offset, decision.new) != (first[0].offset, first[1].new):
                numbers = f"{first[1].new} or {decision.new}"
                raise RelocationError(
                    f"ambiguous: {len(kept)} types of that name disagree: {numbers}"
                )
        if first is None:
            return self._translate_pt_regs(ref, access) or self._missing(ref.kind, access)
        self._candidates[ref.type] = kept
        return first[1]

    def _name(self, type_id: TypeId) -> str:
        return essential_name(getattr(self._local.type(type_id), "name", ""))

    def _candidates_of(self, type_id: TypeId) -> list[_Candidate]:
        """Return the targets' types that may be the counterpart of a local type.

        They have its essential name and a compatible kind. Modules count only if vmlinux has no
        such type. Raises RelocationError for an anonymous type.
        """
        candidates = self._candidates.get(type_id)
        if candidates is None:
            name = self._name(type_id)
            if not name or type_id == types.VOID:
                raise RelocationError("an anonymous type has no counterpart")
            kind = self._local.kind(type_id)
            candidates = []
            for position, matcher in enumerate(self._targets()):
                is_vmlinux = position == 0
                kind_of = matcher.target.kind
                same_name = self._flavors_of(name, position)
                compat = [other for other in same_name if kinds_compat(kind_of(other), kind)]
                candidates.extend([_Candidate(matcher, other) for other in sorted(compat)])
                if candidates and is_vmlinux:
                    break
            # not before: an error half way must not leave some of them cached as all
            self._candidates[type_id] = candidates
        return candidates

    def _flavors_of(self, name: str, position: int) -> list[TypeId]:
        """Return the types of that essential name in the target at ``position``."""
        known = self._flavors[position]
        if name not in known:
            # one search for all names that are still needed here: modules are not searched for
            # those of vmlinux
            vmlinux = self._flavors[0]
            together = {
                other
                for other in self._names
                if other not in known and not (position and vmlinux.get(other))
            }
            known |= self._matchers[position].target.flavors({name, *together})
        return known[name]

    def _targets(self) -> Iterator[Matcher]:
        yield from self._matchers
        if self._read_error:
            raise self._read_error
        try:
            for target in self._unread:
                self._matchers.append(Matcher(self._local, target))
                self._flavors.append({})
                yield self._matchers[-1]
        except BeepyError as error:
            # an iterator that has raised is exhausted: without this, what it did not yield would
            # be missing for the next type
            self._read_error = error
            raise

    def _translate_pt_regs(self, ref: CoreRef, access: _Access) -> _Decision | None:
        """Decide about a register of another architecture; return None for anything else."""
        for candidate in self._candidates_of(ref.type) if of_field(ref.kind) else ():
            # few objects name registers that this machine lacks
            from beepy.core import pt_regs  # noqa: PLC0415 - see above

            translated = pt_regs.translate(candidate.matcher, access.spec, candidate.type)
            if translated:
                self.architectures.add(translated[0])
                return self._compare(ref.kind, access, candidate.matcher.target, translated[1])
        return None

    def _missing(self, kind: int, access: _Access) -> _Decision:
        """Decide about an access that no target has.

        Relocations that ask for existence or size get 0, all others poison their instruction.
        """
        old = value_of(kind, self._local, access.spec)
        if kind in _ZERO_IF_MISSING:
            return _Decision(access.text, old.number, 0, validate=old.validate)
        return _Decision(access.text, old.number, 0, missing=True)

    def _compare(self, kind: int, access: _Access, target: Btf, spec: AccessSpec) -> _Decision:
        """Decide about an access whose counterpart in ``target`` is ``spec``."""
        old, new = value_of(kind, self._local, access.spec), value_of(kind, target, spec)
        return _Decision(
            access=access.text,
            old=old.number,
            new=new.number,
            validate=old.validate,
            old_size=old.size,
            new_size=new.size,
            memsz_mismatch=old.size != new.size
            and not may_widen(self._local.type(old.type), target.type(new.type)),
        )


_ZERO_IF_MISSING: Final = (
    CoreReloKind.FIELD_EXISTS,
    CoreReloKind.TYPE_ID_TARGET,
    CoreReloKind.TYPE_EXISTS,
    CoreReloKind.TYPE_SIZE,
    CoreReloKind.ENUMVAL_EXISTS,
    CoreReloKind.TYPE_MATCHES,
)
