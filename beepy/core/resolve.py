"""What each CO-RE relocation of a program becomes against a kernel's types, as libbpf's relo_core decides."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Final, NamedTuple

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.layout import size_of, skip_mods_and_typedefs
from beepy.btf.names import essential_name
from beepy.btf.types import TypeId
from beepy.core.access import KIND_NAMES, Spec, of_enumerator, of_field, parse, show
from beepy.core.match import Matcher, kinds_fit
from beepy.errors import BtfError, RelocationError
from beepy.obj.insn import CLASS, LDX, ST, STX
from beepy.obj.spec import CoreRef, ProgramSpec
from beepy.text import safe
from beepy.uapi import CoreReloKind

_U64: Final = (1 << 64) - 1
_U32: Final = (1 << 32) - 1
_LOADS_AND_STORES: Final = (LDX, ST, STX)
_MAX_BITFIELD: Final = 8  # bytes that one load takes
_MAX_COMPARED: Final = 1 << 15  # candidates for each access of an object; a large one has some thousand


class Fixup(NamedTuple):
    """What one relocation does to the instruction ``insn``.

    ``old`` is the value that the compiler left there (checked if ``validate``), ``new`` the one to put there, both as
    u64. ``poison``: the target lacks it, and the instruction becomes one that the verifier refuses if it is reached.
    With ``validate`` the target has it, but no load or store may change its width so (``fail_memsz_adjust`` of libbpf).
    ``old_size`` and ``new_size`` are the field's bytes; where they differ, a load or store changes its width.
    ``what`` is the access as C writes it. ``machine``, as uname has it, is whose registers are missing, if it is them.
    """

    insn: int
    kind: int
    old: int
    new: int
    poison: bool
    validate: bool
    old_size: int = 0
    new_size: int = 0
    what: str = ""
    machine: str = ""

    def __str__(self) -> str:
        return f"{self.what} {KIND_NAMES[self.kind]} {self.old} -> {self.became}"

    @property
    def became(self) -> str:
        """The new value in words; of what no access can read, why."""
        if self.poison and not self.misfit:
            return "missing"
        width = f", {self.old_size} -> {self.new_size} bytes" if self.new_size != self.old_size else ""
        return f"{self.new}{width}{': not to be read in another width' if self.misfit else ''}"

    @property
    def misfit(self) -> bool:
        """Whether the target has it, in a width in which it cannot be read: not what is poisoned for being missing."""
        return self.poison and self.validate


class _Value(NamedTuple):
    """One side of a relocation; ``size`` (bytes) and ``type`` of the field only where a load may change its width."""

    number: int
    validate: bool = True
    size: int = 0
    type: TypeId = types.VOID


class _Decision(NamedTuple):
    """A relocation without its instruction; ``misfit``: no load or store may change its width so."""

    old: int
    new: int
    missing: bool
    validate: bool
    old_size: int
    new_size: int
    misfit: bool
    what: str


class _Candidate(NamedTuple):
    matcher: Matcher
    type: TypeId


class _Access(NamedTuple):
    """What all relocations of one access share: several ask for one bitfield, or whether a field exists and for it.

    ``targets`` are its counterparts in the candidates that were asked.
    """

    spec: Spec
    what: str
    targets: dict[_Candidate, Spec | None]


class Resolver:
    """Resolves relocations of the object types ``local`` against ``targets``: the kernel's types, then its modules'.

    ``targets`` (or what it returns) is read no further than needed: modules come only for a type that vmlinux has no
    candidate for (libbpf's ``bpf_core_find_cands``). Like libbpf's, candidates that fail one relocation of a local type
    are not asked again for it once another has passed, so that all relocations of a type agree on its flavor.

    ``architectures`` names those whose registers x86-64's were read as (see ``core.registers``).
    """

    def __init__(self, local: Btf, targets: Callable[[], Iterator[Btf]] | Iterable[Btf]) -> None:
        self._local = local
        self._unread = iter(targets() if callable(targets) else targets)
        self._matchers: list[Matcher] = []  # one for each target read so far
        self._flavors: list[dict[str, list[TypeId]]] = []  # of each of them, as far as they were asked for
        self._names: set[str] = set()  # that are asked for together
        self._candidates: dict[TypeId, list[_Candidate]] = {}
        self._accesses: dict[tuple[TypeId, str, int], _Access] = {}
        self._decisions: dict[tuple[TypeId, str, int], _Decision] = {}
        self._left = _MAX_COMPARED
        self.architectures: set[str] = set()

    def expect(self, programs: Iterable[ProgramSpec]) -> None:
        """Look for the types of all these programs at once: as fast as for one type."""
        for type_id in {ref.type for program in programs for ref in program.core}:
            with suppress(BtfError):
                self._names.add(self._name(type_id))

    def fixups(self, program: ProgramSpec) -> tuple[Fixup, ...]:
        """Return one fixup for each of the program's CO-RE relocations, in their order.

        Raises RelocationError for what libbpf refuses too: an ambiguous or impossible relocation, malformed types. A
        field or type that the kernel does not have is no error, see ``Fixup.poison``.
        """
        found = []
        for number, ref in enumerate(program.core):
            try:
                found.append(self._fixup(program, ref))
            except (RelocationError, BtfError) as error:
                where = f"program '{safe(program.name)}': relocation {number} ({self._describe(ref)})"
                raise RelocationError(f"{where}: {error}") from error
        return tuple(found)

    def _fixup(self, program: ProgramSpec, ref: CoreRef) -> Fixup:
        if not 0 <= ref.insn < len(program.insns):
            raise RelocationError(f"instruction {ref.insn} does not exist")
        key = ref.type, ref.access, ref.kind
        decision = self._decisions.get(key)
        if decision is None:
            decision = self._decisions[key] = self._decide(ref)
        old, new, missing, validate, old_size, new_size, misfit, what = decision
        poison = missing or (misfit and program.insns[ref.insn].code & CLASS in _LOADS_AND_STORES)
        machine = self._machine(ref.type) if poison else ""
        return Fixup(ref.insn, ref.kind, old, new, poison, validate, old_size, new_size, what, machine)

    def _machine(self, type_id: TypeId) -> str:
        from beepy.core import registers  # noqa: PLC0415 - few objects name what this machine has not

        return registers.machine(self._local, type_id)

    def _describe(self, ref: CoreRef) -> str:
        kind = KIND_NAMES[ref.kind] if 0 <= ref.kind < len(KIND_NAMES) else f"kind {ref.kind}"
        try:
            return f"{kind} {show(self._local, parse(self._local, ref))}"
        except (RelocationError, BtfError):
            return f"{kind} of type {ref.type}"

    def _access(self, ref: CoreRef) -> _Access:
        key = ref.type, ref.access, CoreReloKind.FIELD_BYTE_OFFSET if of_field(ref.kind) else ref.kind
        access = self._accesses.get(key)
        if access is None:
            spec = parse(self._local, ref)
            access = self._accesses[key] = _Access(spec, show(self._local, spec), {})
        return access

    def _decide(self, ref: CoreRef) -> _Decision:
        spec, what, targets = self._access(ref)
        if ref.kind == CoreReloKind.TYPE_ID_LOCAL:
            return _Decision(ref.type, ref.type, False, False, 0, 0, False, what)
        kept: list[_Candidate] = []
        first: tuple[Spec, _Decision] | None = None
        for candidate in self._candidates_of(ref.type):
            if candidate not in targets:
                self._left -= 1
                if self._left < 0:
                    raise RelocationError(f"more than {_MAX_COMPARED} candidates for the types of an object")
                targets[candidate] = candidate.matcher.match(ref.kind, spec, candidate.type)
            target = targets[candidate]
            if target is None:
                continue
            kept.append(candidate)
            decision = self._compare(ref.kind, spec, candidate.matcher.target, target, what)
            if first is None:
                first = target, decision
            elif (target.offset, decision.new) != (first[0].offset, first[1].new):
                numbers = f"{first[1].new} or {decision.new}"
                raise RelocationError(f"ambiguous: {len(kept)} types of that name disagree: {numbers}")
        if first is None:
            return self._foreign(ref, spec, what) or self._missing(ref.kind, spec, what)
        self._candidates[ref.type] = kept
        return first[1]

    def _name(self, type_id: TypeId) -> str:
        return essential_name(getattr(self._local.type(type_id), "name", ""))

    def _candidates_of(self, type_id: TypeId) -> list[_Candidate]:
        found = self._candidates.get(type_id)
        if found is None:
            name = self._name(type_id)
            if not name or type_id == types.VOID:
                raise RelocationError("an anonymous type has no counterpart")
            kind = self._local.kind(type_id)
            found = self._candidates[type_id] = []
            for position, matcher in enumerate(self._targets()):
                target = matcher.target
                fitting = [other for other in self._called(name, position) if kinds_fit(target.kind(other), kind)]
                found.extend([_Candidate(matcher, other) for other in sorted(fitting)])
                if found and position == 0:
                    break
        return found

    def _called(self, name: str, position: int) -> list[TypeId]:
        """Return a target's types of that essential name."""
        known = self._flavors[position]
        if name not in known:
            vmlinux = self._flavors[0]
            together = {one for one in self._names if one not in known and (not position or not vmlinux.get(one))}
            known |= self._matchers[position].target.flavors({name, *together})
        return known[name]

    def _targets(self) -> Iterator[Matcher]:
        yield from self._matchers
        for target in self._unread:
            self._matchers.append(Matcher(self._local, target))
            self._flavors.append({})
            yield self._matchers[-1]

    def _foreign(self, ref: CoreRef, spec: Spec, what: str) -> _Decision | None:
        """Decide about a register of another architecture, None for anything else."""
        for candidate in self._candidates_of(ref.type) if of_field(ref.kind) else ():
            from beepy.core import registers  # noqa: PLC0415 - few objects name a register that this machine has not

            translated = registers.translate(candidate.matcher, spec, candidate.type)
            if translated:
                self.architectures.add(translated[0])
                return self._compare(ref.kind, spec, candidate.matcher.target, translated[1], what)
        return None

    def _missing(self, kind: int, spec: Spec, what: str) -> _Decision:
        old = _value(kind, self._local, spec)
        if kind in _ZERO_IF_MISSING:
            return _Decision(old.number, 0, False, old.validate, 0, 0, False, what)
        return _Decision(old.number, 0, True, False, 0, 0, False, what)

    def _compare(self, kind: int, spec: Spec, target: Btf, found: Spec, what: str) -> _Decision:
        old, new = _value(kind, self._local, spec), _value(kind, target, found)
        misfit = old.size != new.size and not _may_widen(self._local.type(old.type), target.type(new.type))
        return _Decision(old.number, new.number, False, old.validate, old.size, new.size, misfit, what)


_ZERO_IF_MISSING: Final = (
    CoreReloKind.FIELD_EXISTS,
    CoreReloKind.TYPE_ID_TARGET,
    CoreReloKind.TYPE_EXISTS,
    CoreReloKind.TYPE_SIZE,
    CoreReloKind.ENUMVAL_EXISTS,
    CoreReloKind.TYPE_MATCHES,
)


def _may_widen(old: types.Type, new: types.Type) -> bool:
    """Pointers and unsigned integers keep their value when a load's width changes: the upper bits become 0."""
    match old, new:
        case types.Ptr(), types.Ptr():
            return True
        case types.Int(), types.Int():
            return not _only_signed(old) and not _only_signed(new)
        case _:
            return False


def _only_signed(found: types.Int) -> bool:
    return found.signed and not found.char and not found.bool  # libbpf: encoding == BTF_INT_SIGNED


def _value(kind: int, btf: Btf, spec: Spec) -> _Value:
    if of_field(kind):
        return _field_value(kind, btf, spec)
    if of_enumerator(kind):
        return _Value(1 if kind == CoreReloKind.ENUMVAL_EXISTS else _enumerator_value(btf, spec))
    if kind == CoreReloKind.TYPE_ID_TARGET:
        return _Value(spec.root, validate=False)
    return _Value(size_of(btf, spec.root) if kind == CoreReloKind.TYPE_SIZE else 1)


def _enumerator_value(btf: Btf, spec: Spec) -> int:
    (accessor,) = spec.accessors
    found = btf.type(accessor.type)
    assert isinstance(found, types.Enum | types.Enum64)
    value = found.values[accessor.at].value
    if isinstance(found, types.Enum):  # 32 bits, which libbpf always extends by their sign
        value = (value & _U32 ^ 1 << 31) - (1 << 31)
    return value & _U64


def _field_value(kind: int, btf: Btf, spec: Spec) -> _Value:
    if kind == CoreReloKind.FIELD_EXISTS:
        return _Value(1)
    last = spec.accessors[-1]
    if not last.name:
        return _element_value(kind, btf, spec, last.type)
    owner = btf.type(last.type)
    assert isinstance(owner, types.Struct | types.Union)
    member = owner.members[last.at]
    type_id, found = skip_mods_and_typedefs(btf, member.type)
    bits = member.bitfield_size
    if kind == CoreReloKind.FIELD_BYTE_OFFSET and not bits:
        return _Value(spec.offset // 8, True, _element_size(btf, type_id), type_id)
    if bits:
        size, start = _bitfield(btf, type_id, spec.offset, bits)
    else:
        size, start = size_of(btf, type_id), spec.offset // 8
        bits = size * 8
    if kind == CoreReloKind.FIELD_SIGNED:
        return _Value(int(isinstance(found, types.Int | types.Enum | types.Enum64) and found.signed))
    if kind == CoreReloKind.FIELD_RSHIFT_U64:
        return _Value(64 - bits & _U32)
    validate = not member.bitfield_size  # compilers choose where a bitfield is loaded from
    if kind == CoreReloKind.FIELD_LSHIFT_U64:
        return _Value(64 - (spec.offset + bits - start * 8) & _U32, validate)
    return _Value(size if kind == CoreReloKind.FIELD_BYTE_SIZE else start, validate)


def _element_value(kind: int, btf: Btf, spec: Spec, type_id: TypeId) -> _Value:
    if kind == CoreReloKind.FIELD_BYTE_OFFSET:
        return _Value(spec.offset // 8, True, _element_size(btf, type_id), type_id)
    if kind == CoreReloKind.FIELD_BYTE_SIZE:
        return _Value(size_of(btf, type_id))
    raise RelocationError("cannot be asked of an array's element")


def _element_size(btf: Btf, type_id: TypeId) -> int:
    """Return the bytes of the innermost element: what one load of an array takes."""
    for _ in range(_MAX_DIMENSIONS):
        type_id, found = skip_mods_and_typedefs(btf, type_id)
        if not isinstance(found, types.Array):
            return size_of(btf, type_id)
        type_id = found.type
    raise RelocationError(f"{btf.name}: type {type_id}: arrays nested deeper than {_MAX_DIMENSIONS}")


_MAX_DIMENSIONS: Final = 32


def _bitfield(btf: Btf, type_id: TypeId, offset: int, bits: int) -> tuple[int, int]:
    """Return size and offset (bytes) of the smallest aligned load that holds the ``bits`` at ``offset`` (bits)."""
    size = size_of(btf, type_id)
    if not size:
        raise RelocationError(f"{btf.name}: type {type_id}: a bitfield of no size")
    start = offset // 8 // size * size
    while offset + bits > (start + size) * 8:
        if size >= _MAX_BITFIELD:
            raise RelocationError(f"no load of {_MAX_BITFIELD} bytes holds the bitfield")
        size *= 2
        start = offset // 8 // size * size
    return size, start
