"""Find the calls by which an object's programs send records, into which map, and of what type."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Final, NamedTuple

from beepy.errors import BtfError
from beepy.flow import records
from beepy.flow.budget import Budget
from beepy.flow.records import RecordType, Types
from beepy.flow.trace import Call, Flow, trace
from beepy.flow.values import UNKNOWN, Kind, Value, Values, number
from beepy.obj.insn import CALL
from beepy.obj.spec import CollectionSpec, MapSpec, ProgramSpec
from beepy.uapi import HELPERS


class _Send(NamedTuple):
    """Which arguments of a helper are the map, the record, and the size of that in bytes.

    None: it has no such argument.
    """

    map: int | None
    data: int | None
    size: int | None


_SENDS: Final[Mapping[str, _Send]] = MappingProxyType(
    {
        "ringbuf_reserve": _Send(map=0, data=None, size=1),
        "ringbuf_reserve_dynptr": _Send(map=0, data=None, size=1),
        "ringbuf_output": _Send(map=0, data=1, size=2),
        "perf_event_output": _Send(map=1, data=3, size=4),
        "skb_output": _Send(map=1, data=3, size=4),
        "xdp_output": _Send(map=1, data=3, size=4),
        "seq_write": _Send(map=None, data=1, size=2),
        "map_push_elem": _Send(map=0, data=1, size=None),
        "map_update_elem": _Send(map=0, data=2, size=None),
    }
)
STORES: Final = ("map_update_elem", "map_push_elem")
"""Calls that send nothing to user space: they store a value in a map."""

_DELETE: Final = "map_delete_elem"
_STORE_NUMBERS: Final = frozenset(map(HELPERS.index, STORES))
_NUMBERS: Final = frozenset(map(HELPERS.index, (*_SENDS, _DELETE)))


class Output(NamedTuple):
    """A call that sends a record, or stores a value.

    ``maps`` has the map, or several of which it is one; a map of maps stands for those in it. It is
    empty if nothing is known, and for what an iterator writes. ``size`` is in bytes, None if it
    varies. ``data`` is where the bytes lie. ``records`` are types that the record may have, with
    the same claim; all are guesses.
    """

    program: str
    insn: int
    call: str
    maps: tuple[str, ...]
    size: int | None
    data: Values
    records: tuple[RecordType, ...]


class Outputs(NamedTuple):
    """The outputs of an object, and the ``unknown`` programs, too large to look for theirs.

    ``deleted_from`` are the maps from which programs delete entries, as far as it is known.
    """

    found: tuple[Output, ...]
    unknown: tuple[str, ...]
    deleted_from: frozenset[str] = frozenset()


def outputs(spec: CollectionSpec, *, stores: bool = True) -> Outputs:
    """Return the calls by which the programs of an object send records or store values.

    Without ``stores``, programs are skipped that only store values.
    """
    budget = Budget()
    numbers = _NUMBERS if stores else _NUMBERS - _STORE_NUMBERS
    maps = {map_spec.name: map_spec for map_spec in spec.maps}
    types = Types(spec, spec.btf, budget) if spec.btf else None
    found: list[Output] = []
    unknown = []
    deleted_from: set[str] = set()
    for program in spec.programs:
        if any(insn.code == CALL and insn.imm in numbers for insn in program.insns):
            flow = trace(program, maps, budget)
            found += _of_program(program, flow, maps, types)
            deleted_from.update(_deleted_from(flow))
            if not flow.complete:
                unknown.append(program.name)
    return Outputs(tuple(found), tuple(unknown), frozenset(deleted_from))


def _of_program(
    program: ProgramSpec, flow: Flow, maps: Mapping[str, MapSpec], types: Types | None
) -> Iterator[Output]:
    passed = records.passed(types.btf, program, flow) if types else {}
    for call in flow.calls:
        send = _SENDS.get(call.name)
        if send is None:
            continue
        names = _maps(call, send)
        size = _size(call, send, names, maps)
        data = _data(call, send)
        guesses: tuple[RecordType, ...] = ()
        if types:
            with suppress(BtfError):
                guesses = types.of(flow, passed, data, size)
        yield Output(program.name, call.insn, call.name, names, size, data, guesses)


def _deleted_from(flow: Flow) -> Iterator[str]:
    for call in flow.calls:
        if call.name == _DELETE:
            yield from [str(value.base) for value in call.arguments[0] if value.kind is Kind.MAP]


def _maps(call: Call, send: _Send) -> tuple[str, ...]:
    values = UNKNOWN if send.map is None else call.arguments[send.map]
    if any(value.kind not in (Kind.MAP, Kind.INNER_MAP) for value in values):
        return ()
    return tuple(sorted({str(value.base) for value in values}))


def _size(
    call: Call, send: _Send, names: tuple[str, ...], maps: Mapping[str, MapSpec]
) -> int | None:
    """Return the size of the record; values of maps have that of their map."""
    if send.size is not None:
        return number(call.arguments[send.size])
    stored = [maps[name].inner or maps[name] for name in names if name in maps]
    sizes = {map_spec.value_size for map_spec in stored}
    return sizes.pop() if len(sizes) == 1 else None


def _data(call: Call, send: _Send) -> Values:
    if send.data is None:
        return frozenset({Value(Kind.RECORD, call.insn)})
    return call.arguments[send.data]
