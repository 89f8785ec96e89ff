"""Find the type of the records that a call sends: BTF has none for local variables.

In this order, and only the first that finds anything counts:

1. the memory that the record lies in has a type: a map's value, a global variable, or what a
   function of the program declares as its parameter or result;
2. the object names it: a global variable that is otherwise unused points to such a struct;
3. the only struct of that size that the object's own maps, variables and functions use.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Final, NamedTuple, TypeAlias

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.layout import skip_mods_and_typedefs
from beepy.btf.types import VOID, TypeId
from beepy.errors import BtfError
from beepy.flow.budget import Budget
from beepy.flow.machine import Memory
from beepy.flow.members import Place, composites, fits
from beepy.flow.trace import Flow
from beepy.flow.values import Kind, Value, Values
from beepy.obj.spec import CollectionSpec, DataRef, ProgramSpec, VariableSpec
from beepy.text import safe

_MAX_CANDIDATES: Final = 8  # types of one record; more tell nothing
_MAX_PARAMETERS: Final = 5  # of a function: those in r1 to r5
_TYPED: Final = (Kind.RECORD, Kind.ELEMENT, Kind.DATA, Kind.STACK)
LIBBPF: Final = "__bpf_usdt_"
"""How structs and maps of libbpf's usdt.bpf.h begin, which each object with USDT probes has."""


class RecordType(NamedTuple):
    """A type that records may have, and the reason to think so.

    Where the reason is the size, a single type is the only one of that size.
    """

    type: TypeId
    reason: str


class _Typed(NamedTuple):
    """Memory from ``offset`` on has this type."""

    offset: int
    record: RecordType


_BySize: TypeAlias = dict[int | None, list[RecordType]]

Passed: TypeAlias = Mapping[Memory, list[_Typed]]


def passed(btf: Btf, program: ProgramSpec, flow: Flow) -> Passed:
    """Return what a program's functions declare of the addresses that they take and return."""
    typed: dict[Memory, list[_Typed]] = {}
    names = {start: name for name, start in program.functions if start}
    for info in program.func_infos:
        proto = _prototype(btf, info.type) if info.insn in names else None
        if proto is None:
            continue
        where = f"function '{safe(names[info.insn])}'"
        for parameter, values in zip(proto.params, flow.entries.get(info.insn, ()), strict=False):
            reason = f"parameter '{safe(parameter.name)}' of {where}"
            _add(typed, values, RecordType(_pointee(btf, parameter.type), reason))
        returned = flow.returned.get(info.insn, frozenset())
        _add(typed, returned, RecordType(_pointee(btf, proto.type), f"the result of {where}"))
    return typed


def _add(typed: dict[Memory, list[_Typed]], values: Values, record: RecordType) -> None:
    for value in values:
        if record.type and value.kind in _TYPED and value.offset is not None:
            memory = typed.setdefault(Memory(value.kind, value.base), [])
            memory.append(_Typed(value.offset, record))


def _pointee(btf: Btf, type_id: TypeId) -> TypeId:
    """Return the struct or union that a type points to, 0 if it does not."""
    _, pointer = _resolved(btf, type_id)
    if not isinstance(pointer, types.Ptr):
        return VOID
    pointee, type_ = _resolved(btf, pointer.type)
    return pointee if isinstance(type_, types.Struct | types.Union) else VOID


def _prototype(btf: Btf, type_id: TypeId) -> types.FuncProto | None:
    _, function = _resolved(btf, type_id)
    _, proto = _resolved(btf, function.type) if isinstance(function, types.Func) else (VOID, None)
    return proto if isinstance(proto, types.FuncProto) else None


def _resolved(btf: Btf, type_id: TypeId) -> tuple[TypeId, types.Type]:
    """Return a type without its modifiers and typedefs, ``void`` for a malformed one."""
    try:
        return skip_mods_and_typedefs(btf, type_id)
    except BtfError:
        return VOID, types.Void()


class Types:
    """What the types of one object tell of its records. What exceeds the budget is not found."""

    def __init__(self, spec: CollectionSpec, btf: Btf, budget: Budget) -> None:
        self._spec = spec
        self.btf = btf
        self._budget = budget
        self._maps = {map_spec.name: map_spec for map_spec in spec.maps}
        self._variables: dict[str, list[VariableSpec]] = {}
        for variable in sorted(spec.variables, key=lambda variable: variable.offset):
            self._variables.setdefault(variable.map, []).append(variable)

    def of(
        self, flow: Flow, passed: Passed, data: Values, size: int | None
    ) -> tuple[RecordType, ...]:
        """Return the types that a record at ``data`` may have, all with the same claim.

        ``size`` is that of the record in bytes, None if it varies. Raises BtfError if types that
        are looked into are malformed.
        """
        candidates = [record for value in data for record in self._held(passed, value, size)]
        for records in () if candidates else (self.declared, self.own):
            sized = records.get(size, [])
            if len(sized) <= _MAX_CANDIDATES:
                candidates = [record for record in sized if self._fits(record.type, flow, data)]
            if candidates:
                break
        # a type has one reason: the first in the order of the alphabet
        distinct = {record.type: record for record in sorted(candidates, reverse=True)}
        chosen = sorted(distinct.values())
        return tuple(chosen) if len(chosen) <= _MAX_CANDIDATES else ()

    @cached_property
    def declared(self) -> _BySize:
        """The structs that unused variables point to: so compilers are told to keep their types.

        By their size; by None there are all.
        """
        used = {
            (ref.map, ref.offset)
            for program in self._spec.programs
            for ref in program.refs
            if isinstance(ref, DataRef)
        }
        declared: _BySize = {}
        for variable in self._spec.variables:
            type_id = _pointee(self.btf, variable.type)
            if type_id and (variable.map, variable.offset) not in used:
                record = RecordType(type_id, f"variable '{safe(variable.name)}' points to it")
                for size in (self._size(type_id), None):
                    declared.setdefault(size, []).append(record)
        return declared

    @cached_property
    def own(self) -> _BySize:
        """The structs of maps, variables and functions, by their size.

        Those that functions only have pointers to may be the kernel's: what is in them does not
        count. Those of which fields are relocated are the kernel's.
        """
        kernel = {ref.type for program in self._spec.programs for ref in program.core}
        own: _BySize = {}
        waiting = self._stored_types()
        pointees = self._pointees()
        seen: set[TypeId] = set()
        while (waiting or pointees) and self._budget.spend(1):
            is_stored = bool(waiting)
            type_id, type_ = _resolved(self.btf, (waiting or pointees).pop())
            if type_id in seen or type_id in kernel:
                continue
            seen.add(type_id)
            if isinstance(type_, types.Array):
                waiting.append(type_.type)
            if isinstance(type_, types.Struct) and _is_named(type_):
                record = RecordType(type_id, f"a struct of {type_.size} bytes")
                own.setdefault(type_.size, []).append(record)
            if is_stored and isinstance(type_, types.Struct | types.Union):
                self._budget.spend(len(type_.members))
                waiting += [member.type for member in type_.members]
        return own

    def _stored_types(self) -> list[TypeId]:
        """Return the types of what the object's maps and variables hold."""
        maps = [map_spec.inner or map_spec for map_spec in self._spec.maps]
        stored = [type_id for map_spec in maps for type_id in (map_spec.key, map_spec.value)]
        return [*stored, *[variable.type for variable in self._spec.variables]]

    def _pointees(self) -> list[TypeId]:
        """Return the structs to which parameters and results of functions point."""
        pointees = []
        functions = {
            info.type for program in self._spec.programs for info in program.func_infos if info.insn
        }
        for function in sorted(functions):
            if proto := _prototype(self.btf, function):
                parameters = [parameter.type for parameter in proto.params[:_MAX_PARAMETERS]]
                pointees += [_pointee(self.btf, pointer) for pointer in (*parameters, proto.type)]
        return pointees

    def _held(self, passed: Passed, value: Value, size: int | None) -> Iterator[RecordType]:
        """Yield the types of a record at an address whose memory has a type."""
        typed = [*self._typed(value), *passed.get(Memory(value.kind, value.base), ())]
        if value.offset is None or not self._budget.spend(len(typed)):
            return
        for offset, record in typed:
            place = Place(record.type, value.offset - offset)
            for type_id in composites(self.btf, place, size, self._budget):
                yield RecordType(type_id, record.reason)

    def _typed(self, value: Value) -> Iterator[_Typed]:
        map_spec = self._maps.get(str(value.base))
        if value.kind is Kind.ELEMENT and map_spec:
            # of a map of maps, only the maps in it have elements that are not maps
            values = (map_spec.inner or map_spec).value
            if values:
                yield _Typed(0, RecordType(values, f"the value of map '{safe(map_spec.name)}'"))
        elif value.kind is Kind.DATA and value.offset is not None:
            variables = self._variables.get(str(value.base), [])
            index = bisect_right(variables, value.offset, key=lambda variable: variable.offset)
            for variable in variables[max(index - 1, 0) : index]:
                reason = f"variable '{safe(variable.name)}'"
                yield _Typed(variable.offset, RecordType(variable.type, reason))

    def _size(self, type_id: TypeId) -> int:
        composite = self.btf.type(type_id)
        assert isinstance(composite, types.Struct | types.Union)
        return composite.size

    def _fits(self, type_id: TypeId, flow: Flow, data: Values) -> bool:
        """Tell whether what the program stores into a record fits the members of a struct."""
        for value in data:
            writes = flow.writes.get(Memory(value.kind, value.base), ())
            if value.offset is None or not self._budget.spend(len(writes)):
                continue
            for write in writes:
                place = Place(type_id, write.offset - value.offset)
                if not write.zero and not fits(self.btf, place, write.size, self._budget):
                    return False
        return True


def _is_named(struct: types.Struct) -> bool:
    return bool(struct.name) and not struct.name.startswith(LIBBPF)
