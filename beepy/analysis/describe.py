"""What is known of an image without loading it: read from its bytes, and from the tables of sections and map types."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Final, NamedTuple

from beepy import map_types, sections
from beepy.analysis import effects, requirements
from beepy.analysis.requirements import Requirements
from beepy.btf.cformat import c_type
from beepy.core.access import KIND_NAMES, parse, show
from beepy.core.resolve import Fixup
from beepy.errors import BtfError, DecodeError, RelocationError
from beepy.events.batch import Batch, Part, Schema
from beepy.events.codec import Value
from beepy.events.decoder import Decoder
from beepy.events.decoders import Decoders
from beepy.events.metrics import Metric, decide
from beepy.events.schemas import of_map
from beepy.events.selection import KINDS
from beepy.obj.insn import CALL
from beepy.obj.pinning import Pins
from beepy.obj.sections import KCONFIG
from beepy.obj.spec import CollectionSpec, CoreRef, ExternRef, MapSpec, NotShown, ProgramSpec
from beepy.oci.image import Image
from beepy.text import safe
from beepy.uapi import HELPERS, MapFlag, MapType

_NONE_RESOLVED: Mapping[str, Sequence[Fixup]] = MappingProxyType({})
_MAX_DEFAULT: Final = 4096  # bytes; larger variables are buffers
_MAX_DEFAULTS: Final = 1 << 18  # bytes of all variables whose values are shown
_MAP_TYPES: Final = {kind.value: kind.name.lower() for kind in MapType}


class ProgramInfo(NamedTuple):
    """One program; ``type`` is "" for a section that nobody knows, ``target`` "" where the section names none.

    ``needs`` is what it asks of a kernel and of a process, with the maps that it uses.
    """

    name: str
    section: str
    type: str
    target: str
    autoload: bool
    instructions: int
    helpers: tuple[str, ...]
    externs: tuple[str, ...]
    changes: tuple[str, ...]
    needs: Requirements


class FieldInfo(NamedTuple):
    """One field as outputs name it; ``offset`` and ``bits`` within the record, or within the key or value."""

    name: str
    type: str
    offset_bits: int
    bits: int
    part: str


class MapInfo(NamedTuple):
    """One map; ``role``, ``metric``, ``labels`` and ``fields`` only where the image's convention gives it a meaning.

    ``not_shown`` is why a map with a role is not shown, None if it is. ``pinned`` is where the object pins it by name,
    or uses the map that is pinned there; None if it does not.
    """

    name: str
    section: str
    type: str
    key_type: str
    value_type: str
    key_size: int
    value_size: int
    max_entries: int
    flags: str
    pinned: str | None
    role: str | None
    not_shown: str | None
    metric: str | None
    labels: tuple[str, ...]
    fields: tuple[FieldInfo, ...]


class VariableInfo(NamedTuple):
    """One global variable; ``default`` is None where it cannot be shown. ``const``: fixed at load."""

    name: str
    map: str
    type: str
    size: int
    const: bool
    default: "Value | dict[str, Value]"


class RelocationInfo(NamedTuple):
    """One CO-RE relocation as the object records it; ``resolved`` is what became of it, None if it was not tried."""

    program: str
    instruction: int
    kind: str
    access: str
    resolved: str | None


class CheckInfo(NamedTuple):
    """Whether a kernel can run it: what is in the way, and what would fail if it were reached."""

    kernel: str
    runs: bool
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    skipped: tuple[str, ...]  # of the errors: those that ``run --missing skip`` passes over


class Description(NamedTuple):
    """All of one program file of an image; ``changes`` is what it can change besides its own maps.

    ``check`` is None unless a kernel was asked.
    """

    name: str
    digest: str
    format: str
    platform: str
    size: int
    annotations: dict[str, str]
    license: str
    changes: tuple[str, ...]
    programs: tuple[ProgramInfo, ...]
    maps: tuple[MapInfo, ...]
    variables: tuple[VariableInfo, ...]
    externs: tuple[str, ...]
    relocations: tuple[RelocationInfo, ...]
    needs: Requirements
    check: CheckInfo | None


def describe(
    image: Image,
    spec: CollectionSpec,
    *,
    relocations: bool = False,
    fixups: Mapping[str, Sequence[Fixup]] = _NONE_RESOLVED,
    check: CheckInfo | None = None,
) -> Description:
    """Return what ``spec``, parsed from ``image``, holds.

    ``fixups`` are what its relocations became, by program, and ``check`` what a kernel says of it, where one was
    asked (room ``check``). Raises ObjectError for types that are malformed.
    """
    whole, of_programs = requirements.of_collection(spec)
    loaded = {one.name for one in spec.loaded}
    pinned = effects.of_pinned_maps(spec)
    programs = tuple(_program(one, of_programs[one.name], pinned, loaded=one.name in loaded) for one in spec.programs)
    decoders = Decoders()
    schemas = dict(_schemas(spec))
    refused = {one.map: one for one in spec.not_shown}
    decided = decide([Decoder(schema) for schema in schemas.values() if schema.role in KINDS])
    metrics = {metric.schema.map: metric for metric in decided.accepted}
    return Description(
        image.name,
        image.digest,
        image.format,
        image.platform,
        image.size,
        dict(image.annotations),
        spec.license,
        tuple(sorted({change for one in programs for change in one.changes} | {*pinned.values()})),
        programs,
        tuple(
            _map(spec, one, schemas.get(one.name), refused.get(one.name), metrics.get(one.name), decoders=decoders)
            for one in spec.maps
            if one.contents is None
        ),
        tuple(_variables(spec, decoders)),
        tuple(extern.name for extern in spec.externs),
        tuple(_relocations(spec, fixups)) if relocations else (),
        whole,
        check._replace(warnings=(*check.warnings, *decided.warnings)) if check else None,
    )


def _program(one: ProgramSpec, needed: Requirements, pinned: Mapping[str, str], *, loaded: bool) -> ProgramInfo:
    hook = sections.find(one.section)
    ids = dict.fromkeys(insn.imm for insn in one.insns if insn.code == CALL and insn.src == 0)
    helpers = tuple(HELPERS[number] if 0 <= number < len(HELPERS) else f"#{number}" for number in ids)
    return ProgramInfo(
        one.name,
        one.section,
        hook.prog_type.name.lower() if hook else "",
        sections.target(hook, one.section) if hook else "",
        loaded,
        len(one.insns),
        helpers,
        tuple(dict.fromkeys(ref.name for ref in one.refs if isinstance(ref, ExternRef))),
        effects.of_program(one, helpers, pinned),
        needed,
    )


def _map(
    spec: CollectionSpec,
    one: MapSpec,
    schema: Schema | None,
    refused: NotShown | None,
    metric: Metric | None,
    *,
    decoders: Decoders,
) -> MapInfo:
    role = schema.role if schema else refused.role if refused else None
    fields = tuple(_fields(decoders.of(schema))) if schema else ()
    return MapInfo(
        one.name,
        one.section,
        _MAP_TYPES.get(one.type, f"type {one.type}"),
        c_type(spec.btf, one.key) if spec.btf and one.key else "",
        c_type(spec.btf, one.value) if spec.btf and one.value else "",
        one.key_size,
        one.value_size,
        one.max_entries,
        "|".join(flag.name or "" for flag in MapFlag(one.flags & sum(MapFlag))),
        Pins().path(one) or None,
        role.value if role else None,
        refused.reason if refused else None,
        metric.name if metric else None,
        metric.labels if metric else (),
        fields,
    )


def _schemas(spec: CollectionSpec) -> Iterator[tuple[str, Schema]]:
    """Yield each tracked map's, as a run has it: a field ``cpu`` does not depend on how many there are."""
    maps = {one.name: one for one in spec.maps}
    for tracked in spec.tracked:
        one = maps[tracked.map]
        yield one.name, of_map(spec, one, tracked, cpus=1 if map_types.of(one.type).is_percpu else 0)


def _fields(decoder: Decoder) -> Iterator[FieldInfo]:
    schema = decoder.schema
    for field in decoder.fields:
        part = "record" if schema.is_stream else ("key", "value", "cpu")[field.part]
        yield FieldInfo(field.name, c_type(schema.btf, field.type), field.offset, field.bits, part)


def _variables(spec: CollectionSpec, decoders: Decoders) -> Iterator[VariableInfo]:
    """Yield the variables that are not the kernel's configuration."""
    contents = {one.name: one.contents or b"" for one in spec.maps}
    left = _MAX_DEFAULTS
    for one in spec.variables:
        if one.map == KCONFIG:
            continue
        assert spec.btf
        default: Value | dict[str, Value] = None
        if 0 < one.size <= min(_MAX_DEFAULT, left):
            left -= one.size
            # the bytes of a section end before those that are zeros
            raw = contents.get(one.map, b"")[one.offset : one.offset + one.size].ljust(one.size, b"\0")
            with suppress(BtfError, DecodeError):
                default = _value(decoders.of(Schema(spec.name, one.name, None, spec.btf, one.type)), raw)
        yield VariableInfo(one.name, one.map, c_type(spec.btf, one.type), one.size, one.const, default)


def _value(decoder: Decoder, raw: bytes) -> "Value | dict[str, Value]":
    if decoder.size != len(raw):
        raise DecodeError(f"the type has {decoder.size} bytes, the variable {len(raw)}")
    batch = Batch(decoder.schema, (Part(raw, len(raw), 0),), 1, len(raw), 0)
    values = [column[0] for column in decoder.values(batch, decoder.fields)]
    if len(values) == 1 and decoder.fields[0].path == ("value",):
        return values[0]
    return {field.name: value for field, value in zip(decoder.fields, values, strict=True)}


def _relocations(spec: CollectionSpec, fixups: Mapping[str, Sequence[Fixup]]) -> Iterator[RelocationInfo]:
    accesses: dict[tuple[int, str, int], str] = {}  # a program has the same one many times
    for program in spec.programs:
        found = fixups.get(program.name)
        for number, ref in enumerate(program.core):
            kind = KIND_NAMES[ref.kind] if 0 <= ref.kind < len(KIND_NAMES) else f"kind {ref.kind}"
            resolved = _resolved(found[number]) if found else None
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
