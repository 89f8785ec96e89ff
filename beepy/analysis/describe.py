"""Describe an image without a kernel: from its bytes and the tables of sections and map types."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Final

from beepy import map_types, sections
from beepy.analysis import delegation, effects, loss_counts, metric_infos, requirements
from beepy.analysis.description import (
    CheckInfo,
    Description,
    FieldInfo,
    IteratorInfo,
    MapInfo,
    ParameterInfo,
    ProgramInfo,
    RelocationInfo,
    VariableInfo,
)
from beepy.analysis.loss_counts import LossCount
from beepy.analysis.metric_infos import MapMetrics
from beepy.analysis.requirements import Requirements
from beepy.btf.cformat import c_type
from beepy.core.access import KIND_NAMES, parse, show
from beepy.core.resolve import Fixup
from beepy.errors import BtfError, DecodeError, RelocationError
from beepy.events import derived, text_lines
from beepy.events.batch import Batch, Part, Schema
from beepy.events.codec import Value
from beepy.events.decoder import Decoder
from beepy.events.decoders import Decoders
from beepy.events.schemas import of_iterator, of_map
from beepy.obj.pinning import Pins
from beepy.obj.sections import KCONFIG
from beepy.obj.spec import CollectionSpec, CoreRef, ExternRef, MapSpec, NotShown, ProgramSpec
from beepy.oci.image import Image
from beepy.sections import Mechanism
from beepy.text import safe
from beepy.uapi import MapFlag, MapType

_NONE_RESOLVED: Mapping[str, Sequence[Fixup]] = MappingProxyType({})
_MAX_DEFAULT: Final = 4096  # bytes of one variable whose value is shown; larger ones are buffers
_MAX_DEFAULTS: Final = 1 << 18  # bytes of all such variables
_KNOWN_FLAGS: Final = sum(MapFlag)
_MAP_TYPES: Final = {kind.value: kind.name.lower() for kind in MapType}


def describe(
    image: Image,
    spec: CollectionSpec,
    *,
    relocations: bool = False,
    fixups: Mapping[str, Sequence[Fixup]] = _NONE_RESOLVED,
    check: CheckInfo | None = None,
) -> Description:
    """Return the description of ``spec``, which was parsed from ``image``.

    ``fixups`` has its resolved relocations by program, and ``check`` the result of checking a
    kernel, if that was done (room ``check``). Raises ObjectError for malformed types.
    """
    needs, needs_of = requirements.of_collection(spec)
    loaded = {program.name for program in spec.loaded}
    effects_of_maps = effects.of_maps(spec)
    programs = tuple(
        _program_info(
            program, needs_of[program.name], effects_of_maps, loaded=program.name in loaded
        )
        for program in spec.programs
    )
    changes = {change for program in programs for change in program.changes}
    changes |= {*effects_of_maps.values()}
    decoders = Decoders()
    schema_of = dict(schemas_of(spec))
    not_shown = {refusal.map: refusal for refusal in spec.not_shown}
    tracked = {decision.map: decision for decision in spec.tracked}
    counts = loss_counts.of_maps(spec)
    metrics, warnings = metric_infos.of(schema_of)
    if check:
        check = check._replace(warnings=(*check.warnings, *warnings))
    return Description(
        name=image.name,
        digest=image.digest,
        format=image.format,
        convention=spec.convention,
        unsupported=spec.unsupported,
        platform=image.platform,
        size=image.size,
        annotations=dict(image.annotations),
        license=spec.license,
        changes=tuple(sorted(changes)),
        programs=programs,
        maps=tuple(
            _map_info(
                spec,
                map_spec,
                schema_of.get(map_spec.name),
                not_shown.get(map_spec.name),
                metrics.get(map_spec.name, MapMetrics()),
                reason=tracked[map_spec.name].reason if map_spec.name in tracked else "",
                losses=counts.get(map_spec.name),
                decoders=decoders,
            )
            for map_spec in spec.maps
            if map_spec.contents is None or map_spec.name in schema_of  # not all sections of data
        ),
        iterators=tuple(_iterator_infos(spec, decoders)),
        parameters=tuple([ParameterInfo(*parameter) for parameter in spec.parameters]),
        variables=tuple(_variable_infos(spec, decoders)),
        externs=tuple(extern.name for extern in spec.externs),
        relocations=tuple(_relocation_infos(spec, fixups)) if relocations else (),
        needs=needs,
        token=delegation.of_collection(spec, needs_of),
        check=check,
    )


def _program_info(
    program: ProgramSpec, needs: Requirements, maps: Mapping[str, str], *, loaded: bool
) -> ProgramInfo:
    hook = sections.find(program.section)
    externs = dict.fromkeys(ref.name for ref in program.refs if isinstance(ref, ExternRef))
    return ProgramInfo(
        name=program.name,
        section=program.section,
        type=hook.prog_type.name.lower() if hook else "",
        target=program.attach_to or (sections.target(hook, program.section) if hook else ""),
        autoload=loaded,
        instructions=len(program.insns),
        helpers=effects.helpers(program),
        externs=tuple(externs),
        changes=effects.of_program(program, maps),
        needs=needs,
        besides_token=delegation.besides_of(program, needs),
    )


def _map_info(
    spec: CollectionSpec,
    map_spec: MapSpec,
    schema: Schema | None,
    not_shown: NotShown | None,
    metrics: MapMetrics,
    *,
    reason: str,
    losses: LossCount | None,
    decoders: Decoders,
) -> MapInfo:
    """Return the description of a map."""
    role = schema.role if schema else not_shown.role if not_shown else None
    return MapInfo(
        name=map_spec.name,
        section=map_spec.section,
        type=_MAP_TYPES.get(map_spec.type, f"type {map_spec.type}"),
        key_type=c_type(spec.btf, map_spec.key) if spec.btf and map_spec.key else "",
        value_type=c_type(spec.btf, map_spec.value) if spec.btf and map_spec.value else "",
        key_size=map_spec.key_size,
        value_size=map_spec.value_size,
        max_entries=map_spec.max_entries,
        flags="|".join(flag.name or "" for flag in MapFlag(map_spec.flags & _KNOWN_FLAGS)),
        pinned=Pins().path(map_spec) or None,
        record_type=c_type(schema.btf, schema.record) if schema and schema.record else "",
        type_reason=reason or None,
        role=role.value if role else None,
        not_shown=not_shown.reason if not_shown else None,
        metric=metrics.infos[0].name if metrics.infos else None,
        labels=metrics.infos[0].labels if metrics.infos else (),
        metrics=metrics.infos,
        endless=metrics.endless,
        losses=losses,
        fields=tuple(_fields(decoders.of(schema))) if schema else (),
        derived=tuple(derived.names(decoders.of(schema))) if schema else (),
    )


def _iterator_infos(spec: CollectionSpec, decoders: Decoders) -> Iterator[IteratorInfo]:
    """Yield the iterators that write structs, each once."""
    for record in dict.fromkeys(spec.iterator_records.values()):
        schema = of_iterator(spec, record)
        yield IteratorInfo(
            name=record.name,
            programs=tuple([p for p, other in spec.iterator_records.items() if other == record]),
            record_type=c_type(schema.btf, schema.record),
            fields=tuple(_fields(decoders.of(schema))),
        )


def shown(spec: CollectionSpec) -> Iterator[Schema]:
    """Yield the schemas of all that a run shows: of tracked maps and of iterators.

    The lines of an iterator without a record may be text or hex: two schemas of one name.
    """
    for _, schema in schemas_of(spec):
        yield schema
    for record in dict.fromkeys(spec.iterator_records.values()):
        yield of_iterator(spec, record)
    for program in spec.programs:
        hook = sections.find(program.section)
        is_iterator = hook is not None and hook.mechanism is Mechanism.ITERATOR
        if is_iterator and program.name not in spec.iterator_records:
            yield text_lines.schema(spec.name, program.name, "line")
            yield text_lines.schema(spec.name, program.name, "hex")


def schemas_of(spec: CollectionSpec) -> Iterator[tuple[str, Schema]]:
    """Yield the name and schema of each tracked map, as a run has them."""
    map_specs = {map_spec.name: map_spec for map_spec in spec.maps}
    for tracked in spec.tracked:
        map_spec = map_specs[tracked.map]
        # any number of CPUs gives a per-CPU map its field ``cpu``
        cpus = 1 if map_types.of(map_spec.type).is_percpu else 0
        yield map_spec.name, of_map(spec, map_spec, tracked, cpus=cpus)


def _fields(decoder: Decoder) -> Iterator[FieldInfo]:
    schema = decoder.schema
    for field in decoder.fields:
        part = "record" if schema.is_stream else ("key", "value", "cpu")[field.part]
        yield FieldInfo(field.name, c_type(schema.btf, field.type), field.offset, field.bits, part)


def _variable_infos(spec: CollectionSpec, decoders: Decoders) -> Iterator[VariableInfo]:
    """Yield all global variables but those of ``.kconfig``."""
    contents = {map_spec.name: map_spec.contents or b"" for map_spec in spec.maps}
    left = _MAX_DEFAULTS
    for variable in spec.variables:
        if variable.map == KCONFIG:
            continue
        assert spec.btf
        default: Value | dict[str, Value] = None
        if 0 < variable.size <= min(_MAX_DEFAULT, left):
            left -= variable.size
            end = variable.offset + variable.size
            data = contents.get(variable.map, b"")[variable.offset : end]
            data = data.ljust(variable.size, b"\0")  # .bss, and trailing zeros, have no bytes
            schema = Schema(spec.name, variable.name, None, spec.btf, variable.type)
            with suppress(BtfError, DecodeError):
                default = _value(decoders.of(schema), data)
        yield VariableInfo(
            name=variable.name,
            map=variable.map,
            type=c_type(spec.btf, variable.type),
            size=variable.size,
            const=variable.const,
            default=default,
        )


def _value(decoder: Decoder, raw: bytes) -> "Value | dict[str, Value]":
    """Decode a variable: to a dict if it is a struct. Raises DecodeError."""
    if decoder.size != len(raw):
        raise DecodeError(f"the type has {decoder.size} bytes, the variable {len(raw)}")
    batch = Batch(decoder.schema, (Part(raw, len(raw), 0),), 1, len(raw), 0)
    values = [column[0] for column in decoder.values(batch, decoder.fields)]
    if len(values) == 1 and decoder.fields[0].path == ("value",):
        return values[0]
    return {field.name: value for field, value in zip(decoder.fields, values, strict=True)}


def _relocation_infos(
    spec: CollectionSpec, fixups: Mapping[str, Sequence[Fixup]]
) -> Iterator[RelocationInfo]:
    accesses: dict[tuple[int, str, int], str] = {}  # programs repeat the same access many times
    for program in spec.programs:
        program_fixups = fixups.get(program.name)
        for number, ref in enumerate(program.core):
            kind = KIND_NAMES[ref.kind] if 0 <= ref.kind < len(KIND_NAMES) else f"kind {ref.kind}"
            resolved = _resolved(program_fixups[number]) if program_fixups else None
            key = (ref.type, ref.access, ref.kind)
            if key not in accesses:
                accesses[key] = _access(spec, ref)
            yield RelocationInfo(program.name, ref.insn, kind, accesses[key], resolved)


def _resolved(fixup: Fixup) -> str:
    return fixup.outcome if fixup.outcome == "missing" else f"{fixup.old} -> {fixup.outcome}"


def _access(spec: CollectionSpec, ref: CoreRef) -> str:
    assert spec.btf
    try:
        return show(spec.btf, parse(spec.btf, ref))
    except (RelocationError, BtfError) as error:
        return f"type {ref.type}, access {safe(ref.access[:80])}: {error}"
