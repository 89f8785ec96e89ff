"""Describe an image without a kernel: from its bytes and the tables of sections and map types."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Final

from beepy import map_types, sections
from beepy.analysis import delegation, effects, loss_counts, requirements
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
from beepy.analysis.requirements import Requirements
from beepy.btf.cformat import c_type
from beepy.core.access import KIND_NAMES, parse, show
from beepy.core.resolve import Fixup
from beepy.errors import BtfError, DecodeError, RelocationError
from beepy.events import derived
from beepy.events.batch import Batch, Part, Schema
from beepy.events.codec import Value
from beepy.events.decoder import Decoder
from beepy.events.decoders import Decoders
from beepy.events.metrics import decide
from beepy.events.schemas import of_iterator, of_map
from beepy.events.selection import KINDS
from beepy.obj.insn import CALL
from beepy.obj.pinning import Pins
from beepy.obj.sections import KCONFIG
from beepy.obj.spec import CollectionSpec, CoreRef, ExternRef, MapSpec, NotShown, ProgramSpec
from beepy.oci.image import Image
from beepy.text import safe
from beepy.uapi import HELPERS, MapFlag, MapType

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
    pinned = effects.of_pinned_maps(spec)
    programs = tuple(
        _program_info(program, needs_of[program.name], pinned, loaded=program.name in loaded)
        for program in spec.programs
    )
    changes = {change for program in programs for change in program.changes} | {*pinned.values()}
    decoders = Decoders()
    schemas = dict(schemas_of(spec))
    not_shown = {refusal.map: refusal for refusal in spec.not_shown}
    tracked = {decision.map: decision for decision in spec.tracked}
    counts = loss_counts.of_maps(spec)
    with_metric = [s for s in schemas.values() if s.role in KINDS or s.metrics]
    decision = decide([Decoder(schema) for schema in with_metric])
    metrics = {
        **{m.schema.map: (m.name, m.labels, m.endless) for m in decision.accepted},
        **{schema.map: _planned(schema) for schema in decision.planned},
    }
    if check:
        check = check._replace(warnings=(*check.warnings, *decision.warnings))
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
                schemas.get(map_spec.name),
                not_shown.get(map_spec.name),
                metrics.get(map_spec.name, (None, (), ())),
                reason=tracked[map_spec.name].reason if map_spec.name in tracked else "",
                losses=counts.get(map_spec.name),
                decoders=decoders,
            )
            for map_spec in spec.maps
            if map_spec.contents is None or map_spec.name in schemas  # not all sections of data
        ),
        iterators=tuple(_iterator_infos(spec, decoders)),
        parameters=tuple([ParameterInfo(*parameter) for parameter in spec.parameters]),
        variables=tuple(_variable_infos(spec, decoders)),
        externs=tuple(extern.name for extern in spec.externs),
        relocations=tuple(_relocation_infos(spec, fixups)) if relocations else (),
        needs=needs,
        token=delegation.of_collection(spec),
        check=check,
    )


def _program_info(
    program: ProgramSpec, needs: Requirements, pinned: Mapping[str, str], *, loaded: bool
) -> ProgramInfo:
    hook = sections.find(program.section)
    ids = dict.fromkeys(insn.imm for insn in program.insns if insn.code == CALL and insn.src == 0)
    helpers = tuple(
        HELPERS[number] if 0 <= number < len(HELPERS) else f"#{number}" for number in ids
    )
    externs = dict.fromkeys(ref.name for ref in program.refs if isinstance(ref, ExternRef))
    return ProgramInfo(
        name=program.name,
        section=program.section,
        type=hook.prog_type.name.lower() if hook else "",
        target=program.attach_to or (sections.target(hook, program.section) if hook else ""),
        autoload=loaded,
        instructions=len(program.insns),
        helpers=helpers,
        externs=tuple(externs),
        changes=effects.of_program(program, helpers, pinned),
        needs=needs,
        besides_token=delegation.besides_of(program, needs),
    )


def _map_info(
    spec: CollectionSpec,
    map_spec: MapSpec,
    schema: Schema | None,
    not_shown: NotShown | None,
    metric: tuple[str | None, tuple[str, ...], tuple[str, ...]],
    *,
    reason: str,
    losses: LossCount | None,
    decoders: Decoders,
) -> MapInfo:
    """Return the description of a map; ``metric`` is its metric's name, labels, endless labels."""
    role = schema.role if schema else not_shown.role if not_shown else None
    metric_name, labels, endless = metric
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
        metric=metric_name,
        labels=labels,
        endless=endless,
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


def _planned(schema: Schema) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Return the name of the first metric that a map feeds, and its labels."""
    plan = schema.metrics[0]
    labels = plan.labels[:-1] if plan.buckets else plan.labels
    return plan.name, tuple(sorted([label.name for label in labels])), ()


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
