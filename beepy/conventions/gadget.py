"""Inspektor Gadget's convention: names of variables say what maps and programs are for.

``adapt`` decides everything: it reads the names and gadget.yaml once, and returns the object as
that project's own runner would load it. ``tracked`` returns the maps among its decisions.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from beepy import map_types
from beepy.btf.btf import Btf
from beepy.btf.layout import size_of
from beepy.btf.names import essential_name
from beepy.btf.types import VOID, Kind, TypeId
from beepy.conventions import gadget_columns, gadget_metrics, gadget_names, gadget_yaml
from beepy.conventions.gadget_names import Names, Tracer
from beepy.conventions.gadget_yaml import DataSource, Metadata, ParameterInfo, ProgramInfo
from beepy.core import access
from beepy.errors import BtfError, RelocationError, UsageError
from beepy.events import schemas, variables
from beepy.obj.conditions import Conditions
from beepy.obj.spec import (
    CollectionSpec,
    CoreRef,
    IteratorRecord,
    MapSpec,
    NotShown,
    Parameter,
    ProgramSpec,
    Tracked,
)
from beepy.oci.formats import gadget as gadget_format
from beepy.text import excerpt, safe
from beepy.uapi import CoreReloKind, MapType

VOCABULARY: Final = "gadget"

_DISABLED: Final = "gadget_program_disabled"
_LOST: Final = "_lost_samples"
_SOCKETS: Final = "gadget_sockets"
_SOCKET_VALUE: Final = "gadget_socket_value"
_OPTIONAL: Final = frozenset(("cwd", "exepath"))  # members of it that only some runners fill
_BUILD_IDS: Final = "ig_build_id"
_TABLES: Final = frozenset(
    (MapType.HASH, MapType.LRU_HASH, MapType.PERCPU_HASH, MapType.LRU_PERCPU_HASH)
)
_KEYS: Final = {  # of variables that each gadget may have, by which it filters processes
    "targ_pid": "pid",
    "targ_tid": "tid",
    "targ_uid": "uid",
    "targ_gid": "gid",
    "targ_comm": "comm",
    "collect_ustack": "collect-ustack",
    "collect_build_id": "collect-build-id",
    "collect_otel_stack": "collect-otel-stack",
}
_USER_SPACE: Final = frozenset(("uprobe", "uretprobe", "usdt"))
_SOFTWARE: Final = "count_sw_"
_EVENTS: Final = {"page-faults-min": "minor-faults", "page-faults-maj": "major-faults"}
_MAX_FREQUENCY: Final = 100_000  # Hz
_NO_SOURCE: Final = DataSource()


def tracked(spec: CollectionSpec, _hints: Mapping[str, bytes]) -> Sequence[Tracked | NotShown]:
    """Return the streams and tables that ``adapt`` has found."""
    return (*spec.tracked, *spec.not_shown)


def adapt(spec: CollectionSpec, hints: Mapping[str, bytes]) -> CollectionSpec:
    """Return the object of a gadget as its own runner would load it, with its streams and tables.

    Raises UnsupportedImage for a malformed gadget.yaml, BtfError for names that refer to maps that
    the object lacks.
    """
    where = safe(spec.name)
    metadata = gadget_yaml.read(hints.get(gadget_format.METADATA, b""), where)
    if spec.btf is None:
        return spec._replace(unsupported=("the object has no types: nothing is shown",))
    names = gadget_names.read(spec.btf)
    _check(spec, names)
    unsupported = [*_unsupported(spec, names, hints)]
    programs = []
    for program in spec.programs:
        adapted, reason = _program(program, spec.btf, names, metadata.programs)
        programs.append(adapted)
        unsupported += [reason] * bool(reason)
    spec = spec._replace(
        programs=tuple(programs),
        maps=tuple([_sized(map_spec) for map_spec in spec.maps]),
        variables=tuple([v for v in spec.variables if v.name not in names.variables]),
        conditions=_conditions(names, programs),
        optional=frozenset([p.name for p in programs if _is_in_user_space(p)]),
    )
    spec, refused = _with_parameters(spec, names, metadata.parameters)
    decisions = [
        _measured(spec, decision, metadata, unsupported)
        for decision in (
            *_streams(spec, names, metadata),
            *_map_iterators(spec, names, metadata),
        )
    ]
    return spec._replace(
        tracked=tuple([found for found in decisions if isinstance(found, Tracked)]),
        not_shown=tuple([found for found in decisions if isinstance(found, NotShown)]),
        iterator_records=dict(_iterators(spec, names, metadata)),
        unsupported=(*unsupported, *refused),
    )


def _check(spec: CollectionSpec, names: Names) -> None:
    """Raise BtfError for names of maps and programs that the object lacks."""
    maps = {map_spec.name for map_spec in spec.maps}
    programs = {program.name for program in spec.programs}
    named = [(tracer.name, tracer.map) for tracer in names.tracers]
    named += [(iterator.name, iterator.map) for iterator in names.map_iterators]
    for name, map_name in named:
        if map_name not in maps:
            raise _missing(spec, name, f"map '{excerpt(map_name)}'")
    for iterator in names.iterators:
        for program in iterator.programs:
            if program not in programs:
                raise _missing(spec, iterator.name, f"program '{excerpt(program)}'")


def _missing(spec: CollectionSpec, name: str, what: str) -> BtfError:
    return BtfError(f"{safe(spec.name)}: data source '{excerpt(name)}': {what}: not found")


def _unsupported(spec: CollectionSpec, names: Names, hints: Mapping[str, bytes]) -> Iterator[str]:
    layers = hints.get(gadget_format.LAYERS, b"").decode().split("\n")
    if gadget_format.WASM in layers:
        yield "WASM module: left out: fields and parameters that it adds are missing"
    if gadget_format.BTFGEN in layers:
        yield "types for kernels without their own (btfgen): left out: --btf FILE gives them"
    if any(map_spec.name == _SOCKETS for map_spec in spec.maps):
        yield (
            f"map '{_SOCKETS}': nothing fills it: processes of sockets (comm, pid, uid) are empty"
        )
    for ignored in names.ignored:
        yield f"{ignored}: has no effect"


def _program(
    program: ProgramSpec, btf: Btf, names: Names, infos: Mapping[str, ProgramInfo]
) -> tuple[ProgramSpec, str]:
    """Return a program with its target, and why it has none of its metadata's ("": it has)."""
    prefix, _, rest = program.section.removeprefix("?").partition("/")
    info = infos.get(program.name) or infos.get(rest) or ProgramInfo()
    target, reason, section = info.attach_to, "", program.section
    if _DISABLED in (target, rest):
        section, target = f"?{section.removeprefix('?')}", ""
    elif program.name in names.targets:
        name = names.targets[program.name]
        target = f"bpf_map_elem/{name}" if prefix in {"iter", "iter.s"} else name
    elif prefix == "perf_event":
        section = "perf_event"
        target, reason = _event(program.name, info)
    elif prefix == "classifier":
        section = f"tc/{rest.partition('/')[0]}" if rest.startswith(("ingress", "egress")) else "tc"
    elif prefix.startswith("socket") and prefix.removeprefix("socket").isdigit():
        section = "socket"
    core = tuple([ref for ref in program.core if not _is_local(btf, ref)])
    return program._replace(section=section, attach_to=target, core=core), reason


def _conditions(names: Names, programs: Sequence[ProgramSpec]) -> Conditions | None:
    """Return the expressions of a gadget, if it has any; its metadata's targets precede theirs."""
    given = {program.name for program in programs if program.attach_to or not program.autoload}
    found = names.conditions
    targets = tuple([target for target in found.targets if target.name not in given])
    found = found._replace(targets=targets)
    return found if (found.defines or found.asserts or found.targets) else None


def _is_in_user_space(program: ProgramSpec) -> bool:
    """Tell whether a program attaches to libraries or executables, which not all machines have."""
    return program.section.removeprefix("?").partition("/")[0] in _USER_SPACE


def _event(name: str, info: ProgramInfo) -> tuple[str, str]:
    """Return the perf event of a program as ``hooks.perf_event`` names it, or why not."""
    kind, config = info.perf.get("type", ""), info.perf.get("config", "")
    event = config.removeprefix(_SOFTWARE).replace("_", "-")
    frequency = info.frequency if info.frequency.isascii() and info.frequency.isdigit() else ""
    is_known = kind == "software" and config.startswith(_SOFTWARE)
    if not (is_known and 0 < int(frequency[:9] or 0) <= _MAX_FREQUENCY):
        given = ", ".join([excerpt(text) or "none" for text in (kind, config, info.frequency)])
        return "", f"program '{safe(name)}': perf event (type, config, frequency): {given}: unknown"
    return f"{_EVENTS.get(event, event)}:freq={frequency}", ""


def _is_local(btf: Btf, ref: CoreRef) -> bool:
    """Tell whether a CO-RE relocation is of the type that the runner would define.

    No kernel has it: the compiler's values count, which are those of the image's own type. Whether
    it has optional members is still asked of the kernel: it has not.
    """
    if essential_name(getattr(btf.type(ref.type), "name", "")) != _SOCKET_VALUE:
        return False
    if ref.kind != CoreReloKind.FIELD_EXISTS:
        return True
    try:
        members = access.parse(btf, ref).accessors
    except RelocationError:  # reported where it is resolved
        return False
    return not members or members[-1].name not in _OPTIONAL


def _sized(map_spec: MapSpec) -> MapSpec:
    """Return a map with a size, where the runner sets it by a parameter that is off by default."""
    if map_spec.name == _BUILD_IDS and not map_spec.max_entries:
        return map_spec._replace(max_entries=1)
    return map_spec


def _with_parameters(
    spec: CollectionSpec, names: Names, infos: Mapping[str, ParameterInfo]
) -> tuple[CollectionSpec, list[str]]:
    """Return the spec with its parameters, set to their defaults, and which cannot be set."""
    known = {variable.name for variable in spec.variables}
    parameters, refused = [], []
    for name in names.parameters:
        info = infos.get(name, ParameterInfo())
        key = info.key or _KEYS.get(name, name)
        if name not in known:
            refused.append(f"parameter '{excerpt(key)}': variable '{excerpt(name)}' not found")
            continue
        parameters.append(Parameter(key, name, info.default, info.description))
        if info.default:
            try:
                spec = variables.apply(spec, {name: info.default})
            except UsageError as error:
                refused.append(f"parameter '{excerpt(key)}': default: {error}")
    return spec._replace(parameters=tuple(parameters)), refused


def _streams(
    spec: CollectionSpec, names: Names, metadata: Metadata
) -> Iterator[Tracked | NotShown]:
    maps = {map_spec.name: map_spec for map_spec in spec.maps}
    shown: set[str] = set()
    for tracer in names.tracers:
        decision = _stream(spec, tracer, maps)
        if isinstance(decision, Tracked):
            if tracer.map in shown:
                reason = "its map has records of another stream too"
                decision = NotShown(tracer.map, None, f"stream '{excerpt(tracer.name)}': {reason}")
            else:
                shown.add(tracer.map)
                decision = _presented(spec, maps[tracer.map], decision, metadata)
        yield decision


def _stream(
    spec: CollectionSpec, tracer: Tracer, maps: Mapping[str, MapSpec]
) -> Tracked | NotShown:
    if not map_types.of(maps[tracer.map].type).is_stream:
        return NotShown(tracer.map, None, "neither a ring buffer nor a perf buffer")
    record = _struct(spec, tracer.record)
    if not record:
        return NotShown(tracer.map, None, f"struct {excerpt(tracer.record)}: not found")
    lost_in = f"{tracer.map}{_LOST}"
    counts = lost_in in maps and maps[lost_in].type == MapType.PERCPU_ARRAY
    return Tracked(
        map=tracer.map,
        role=None,
        record=record,
        shown_as=tracer.name,
        lost_in=lost_in if counts and maps[lost_in].value_size == 8 else "",
        vocabulary=VOCABULARY,
    )


def _map_iterators(
    spec: CollectionSpec, names: Names, metadata: Metadata
) -> Iterator[Tracked | NotShown]:
    maps = {map_spec.name: map_spec for map_spec in spec.maps}
    for iterator in names.map_iterators:
        map_spec = maps[iterator.map]
        if map_spec.type not in _TABLES:
            yield NotShown(iterator.map, None, "not a hash")
            continue
        decision = Tracked(
            map=iterator.map,
            role=None,
            record=VOID,
            shown_as=iterator.name,
            drains=True,
            vocabulary=VOCABULARY,
        )
        yield _presented(spec, map_spec, decision, metadata)


def _presented(
    spec: CollectionSpec, map_spec: MapSpec, decision: Tracked, metadata: Metadata
) -> Tracked:
    try:
        schema = schemas.of_map(spec, map_spec, decision)
    except BtfError:  # it is reported where the map is checked
        return decision
    source = metadata.sources.get(decision.shown_as, _NO_SOURCE)
    return decision._replace(presentation=gadget_columns.of(schema, source))


def _measured(
    spec: CollectionSpec,
    decision: Tracked | NotShown,
    metadata: Metadata,
    unsupported: list[str],
) -> Tracked | NotShown:
    """Return a decision with the metrics of its data source; add to ``unsupported`` what fails."""
    if isinstance(decision, NotShown):
        return decision
    source = metadata.sources.get(decision.shown_as, _NO_SOURCE)
    try:
        schema = schemas.of_tracked(spec, decision)
    except BtfError:  # it is reported where the map is checked
        return decision
    measures, refused = gadget_metrics.of(schema, source)
    where = f"data source '{excerpt(decision.shown_as)}'"
    unsupported += [f"{where}: {reason}" for reason in refused]
    return decision._replace(measures=measures)


def _iterators(
    spec: CollectionSpec, names: Names, metadata: Metadata
) -> Iterator[tuple[str, IteratorRecord]]:
    for iterator in names.iterators:
        record = _struct(spec, iterator.record)
        if not record or not spec.btf:
            raise _missing(spec, iterator.name, f"struct {excerpt(iterator.record)}")
        if not size_of(spec.btf, record):
            where = f"{safe(spec.name)}: data source '{excerpt(iterator.name)}'"
            raise BtfError(f"{where}: struct {excerpt(iterator.record)}: it has no members")
        of_rows = IteratorRecord(iterator.name, record, VOCABULARY)
        schema = schemas.of_iterator(spec, of_rows)
        source = metadata.sources.get(iterator.name, _NO_SOURCE)
        of_rows = of_rows._replace(presentation=gadget_columns.of(schema, source))
        for program in iterator.programs:
            yield program, of_rows


def _struct(spec: CollectionSpec, name: str) -> TypeId:
    """Return the struct of that name, 0 if there is none."""
    return (spec.btf.find(name, Kind.STRUCT) if spec.btf else None) or VOID
