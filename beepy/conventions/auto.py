"""The automatic convention: what the maps of an object mean that does not say so.

Buffers are shown, with the type of record that the code tells, or in hex. Without a buffer, tables
are shown, and global variables. Left out are tables that only serve the programs.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Final, NamedTuple

from beepy import map_types, sections
from beepy.btf.btf import MAX_WALKED, Btf
from beepy.btf.cformat import c_type
from beepy.btf.types import VOID, TypeId
from beepy.conventions import bee, untyped
from beepy.errors import BtfError
from beepy.events import raw
from beepy.flow.outputs import STORES, Output, Outputs, outputs
from beepy.flow.records import LIBBPF
from beepy.flow.values import Kind
from beepy.obj.sections import is_constant, is_data
from beepy.obj.spec import CollectionSpec, DataRef, MapRef, MapSpec, NotShown, Tracked, VariableSpec
from beepy.sections import Mechanism

_MAX_LISTED: Final = 4  # candidates in a reason


class _Sent(NamedTuple):
    """The calls that send records into each buffer.

    ``elsewhere``: there are calls of which the map is not known, or programs too large to look at.
    ``struct_sizes`` returns the sizes of the object's structs and unions, which ``--type`` names;
    None if there are too many to look at.
    """

    calls: Mapping[str, Sequence[Output]]
    elsewhere: bool
    struct_sizes: Callable[[], frozenset[int] | None]


def tracked(spec: CollectionSpec, _hints: Mapping[str, bytes]) -> Iterator[Tracked | NotShown]:
    """Yield the maps that are shown, and why the others are not, in their order."""
    # of values that are stored it only matters whether they are variables
    code = outputs(spec, stores=any(_has_variables(map_spec) for map_spec in spec.maps))
    sent = _sent(spec, code)
    streams = {
        map_spec.name: _stream(spec, map_spec, sent)
        for map_spec in spec.maps
        if map_types.of(map_spec.type).is_stream
    }
    has_events = _has_iterator(spec) or any(
        isinstance(decision, Tracked) for decision in streams.values()
    )
    tables = _tables(spec, code, has_events=has_events)
    for map_spec in spec.maps:
        decision = streams.get(map_spec.name) or tables.get(map_spec.name)
        if decision:
            yield decision


def _sent(spec: CollectionSpec, code: Outputs) -> _Sent:
    calls: dict[str, list[Output]] = {}
    sends = [call for call in code.found if call.call not in (*STORES, "seq_write")]
    for call in sends:
        for name in call.maps:
            calls.setdefault(name, []).append(call)
    buffers = {m.name for m in spec.maps if map_types.of(m.type).is_stream}
    unread = any(
        isinstance(ref, MapRef) and ref.map in buffers
        for program in spec.programs
        if program.name in code.unknown
        for ref in program.refs
    )
    elsewhere = unread or not all(call.maps for call in sends)
    return _Sent(calls, elsewhere, cache(partial(_struct_sizes, spec.btf)))


def _stream(spec: CollectionSpec, map_spec: MapSpec, sent: _Sent) -> Tracked | NotShown:
    """Return how a buffer is shown: the type is declared, or guessed, or records are in hex."""
    name = map_spec.name
    try:
        declared = bee.declared_record(spec.btf, map_spec)
    except BtfError as error:
        return NotShown(name, None, str(error))
    if declared:
        return Tracked(name, None, declared)
    calls = sent.calls.get(name, ())
    if not calls and not sent.elsewhere:
        return NotShown(name, None, "no program sends records to it")
    reasons: dict[TypeId, str] = {}
    for call in calls:
        for record in call.records:
            reasons.setdefault(record.type, record.reason)
    if len(reasons) == 1 and not sent.elsewhere and spec.btf:
        ((type_id, reason),) = reasons.items()
        if all(call.records for call in calls):
            if reason.startswith("a struct of "):
                reason = f"the only {reason.removeprefix('a ')}"
            return Tracked(name, None, type_id, reason=f"guess: {reason}")
    types, record_type = raw.record(spec.btf)
    sizes = {call.size for call in calls}
    reason = _unknown(spec.btf, reasons, sizes, sent.struct_sizes)
    return Tracked(name, None, record_type, types=types, reason=reason)


def _unknown(
    btf: Btf | None,
    candidates: Mapping[TypeId, str],
    sizes: Collection[int | None],
    struct_sizes: Callable[[], frozenset[int] | None],
) -> str:
    """Return why the type of a buffer's records is not known."""
    if btf is None:
        return "unknown: the object has no type information"
    if not candidates:
        (size,) = sizes if len(sizes) == 1 else (None,)
        known = None if size is None else struct_sizes()
        if known is not None and size not in known:
            return f"{untyped.ABSENT}: the object has no type of {size} bytes"
        return "unknown: no type in the object is certain"
    names = list(dict.fromkeys([c_type(btf, type_id) for type_id in candidates]))
    more = ", ..." if len(names) > _MAX_LISTED else ""
    return f"unknown: it may be {' or '.join(names[:_MAX_LISTED])}{more}, or another"


def _struct_sizes(btf: Btf | None) -> frozenset[int] | None:
    return None if btf is None or len(btf) > MAX_WALKED else btf.composite_sizes()


def _has_iterator(spec: CollectionSpec) -> bool:
    hooks = [sections.find(program.section) for program in spec.programs]
    return any(hook and hook.mechanism is Mechanism.ITERATOR for hook in hooks)


def _tables(
    spec: CollectionSpec, code: Outputs, *, has_events: bool
) -> Mapping[str, Tracked | NotShown]:
    """Decide about all tables, and sections of global variables."""
    scratch = {
        str(value.base)
        for call in code.found
        for value in call.data
        if value.kind is Kind.ELEMENT and call.call not in STORES
    }
    decisions: dict[str, Tracked | NotShown] = {}
    tables = []
    for map_spec in spec.maps:
        kind = map_types.of(map_spec.type)
        if map_spec.contents is not None or kind.is_stream:
            continue
        if reason := _why_internal(map_spec, scratch):
            decisions[map_spec.name] = NotShown(map_spec.name, None, reason, internal=True)
        elif not kind.not_shown and map_types.is_known(map_spec.type):
            tables.append(map_spec)
    variables = {} if has_events else dict(_variables(spec, code))
    # programs note there when something began, and forget it when they have the result
    others = [map_spec for map_spec in tables if map_spec.name not in code.deleted_from]
    working = code.deleted_from if variables or others else frozenset()
    for map_spec in tables:
        name = map_spec.name
        if has_events:
            decisions[name] = NotShown(name, None, "events are shown", by_choice=True)
        elif name in working:
            reason = "programs delete its entries: it is likely their working state"
            decisions[name] = NotShown(name, None, reason, by_choice=True)
        else:
            decisions[name] = untyped.table(spec, map_spec)
    return {**decisions, **variables}


def _why_internal(map_spec: MapSpec, scratch: set[str]) -> str:
    if map_spec.name.startswith(LIBBPF):
        return "libbpf's, for USDT probes"
    return "scratch: programs build records in it" if map_spec.name in scratch else ""


def _variables(spec: CollectionSpec, code: Outputs) -> Iterator[tuple[str, Tracked]]:
    """Yield a row for each section of variables that programs use, and may write to.

    Variables that only fill new entries of maps are left out.
    """
    initial = {
        (value.base, value.offset)
        for call in code.found
        for value in call.data
        if value.kind is Kind.DATA
    }
    used: dict[str, list[int]] = {}
    for program in spec.programs:
        for ref in program.refs:
            if isinstance(ref, DataRef):
                used.setdefault(ref.map, []).append(ref.offset)
    for offsets in used.values():
        offsets.sort()
    for map_spec in spec.maps:
        if _has_variables(map_spec) and spec.btf:
            shown = [
                variable
                for variable in spec.variables
                if variable.map == map_spec.name
                and _is_used(variable, used.get(map_spec.name, []))
                and (variable.map, variable.offset) not in initial
            ]
            if shown:
                types, key, value = untyped.variables(spec.btf, map_spec, shown)
                yield (
                    map_spec.name,
                    Tracked(map_spec.name, None, VOID, key=key, value=value, types=types),
                )


def _has_variables(map_spec: MapSpec) -> bool:
    """Tell whether a map is a section of variables that are not constants."""
    return is_data(map_spec.section) and not is_constant(map_spec.section)


def _is_used(variable: VariableSpec, offsets: Sequence[int]) -> bool:
    """Tell whether one of the ``offsets``, which are sorted, is in a variable."""
    first = bisect_left(offsets, variable.offset)
    return first < len(offsets) and offsets[first] < variable.offset + variable.size
