"""eunomia-bpf's convention: its package says which maps are shown, how, and with which types.

Buffers have records of an exported struct, which the object itself names by a variable
``__eunomia_dummy_NAME_ptr``. Maps with ``sample`` are tables. The variables are ecli's options.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final

from beepy import map_types
from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.layout import size_of, skip_mods_and_typedefs
from beepy.btf.types import VOID, Kind, TypeId
from beepy.btf.writer import BtfWriter
from beepy.conventions import auto, eunomia_meta, untyped
from beepy.conventions.eunomia_meta import Meta
from beepy.errors import BtfError, UnsupportedImage, UsageError
from beepy.events import variables
from beepy.obj.spec import CollectionSpec, MapSpec, NotShown, Parameter, Tracked
from beepy.oci.formats.eunomia import META
from beepy.text import excerpt, safe

_LEAST: Final = 0.1  # seconds between two readings of a table
_MOST: Final = 86400.0
_MAX_RECORD: Final = 1 << 20  # bytes
_DUMMY: Final = ("__eunomia_dummy_", "_ptr")
_KINDS: Final = ("default_kv", "log2_hist")


def adapt(spec: CollectionSpec, hints: Mapping[str, bytes]) -> CollectionSpec:
    """Return the object with the package's options as parameters, and their defaults set."""
    meta = _meta(spec, hints)
    known = {variable.name for variable in variables.settable(spec)}
    parameters: dict[str, Parameter] = {}
    for argument in meta.arguments:
        if argument.variable not in known:
            continue
        default = argument.default
        if default is not None:
            try:
                spec = variables.apply(spec, {argument.variable: default})
            except UsageError as error:
                raise UnsupportedImage(f"{safe(spec.name)}: default: {error}") from None
        shown = str(default).lower() if isinstance(default, bool) else str(default)
        parameters.setdefault(
            argument.key,
            Parameter(
                key=argument.key,
                variable=argument.variable,
                default="" if default is None else shown,
                description=argument.description,
            ),
        )
    return spec._replace(
        parameters=tuple(parameters.values()), unsupported=tuple(_unsupported(spec, meta))
    )


def tracked(spec: CollectionSpec, hints: Mapping[str, bytes]) -> Iterator[Tracked | NotShown]:
    """Yield the maps that the package exports, then why the others are not shown.

    If it exports none, or does not say what buffers hold, yield what the automatic convention
    decides.
    """
    exported = dict(_exported(spec, _meta(spec, hints)))
    automatic = {decision.map: decision for decision in auto.tracked(spec, hints)}
    for map_spec in spec.maps:
        name = map_spec.name
        decision = exported.get(name) or automatic.get(name)
        if exported and name not in exported and isinstance(decision, Tracked):
            decision = NotShown(name, None, "the package does not export it", by_choice=True)
        if decision:
            yield decision


def _meta(spec: CollectionSpec, hints: Mapping[str, bytes]) -> Meta:
    return eunomia_meta.parse(hints.get(META, b'{"bpf_skel": {}}'), f"{safe(spec.name)}: meta")


def _unsupported(spec: CollectionSpec, meta: Meta) -> Iterator[str]:
    """Yield what the package asks for that beepy does not do."""
    names = {map_spec.name for map_spec in spec.maps}
    for item in meta.maps:
        where = f"map '{excerpt(item.name)}'"
        if item.sample and item.sample.kind not in _KINDS and item.name in names:
            yield f"{where}: {excerpt(item.sample.kind)}: shown as a table"
        if item.has_stacks and item.name in names:
            yield f"{where}: stack_trace: stacks are shown as addresses"


def _exported(spec: CollectionSpec, meta: Meta) -> Iterator[tuple[str, Tracked | NotShown]]:
    maps = {map_spec.name: map_spec for map_spec in spec.maps}
    buffers = [m.name for m in spec.maps if map_types.of(m.type).is_stream]
    record = _single(spec, meta) if len(buffers) == 1 and not meta.several else VOID
    for item in meta.maps:
        map_spec = maps.get(item.name)
        if map_spec is None or (meta.several and not item.is_exported):
            continue
        if item.sample:
            yield item.name, _sampled(spec, map_spec, item, item.sample)
        elif item.name in buffers and (decision := _buffer(spec.btf, item, record)):
            yield item.name, decision


def _sampled(
    spec: CollectionSpec,
    map_spec: MapSpec,
    item: eunomia_meta.Map,
    sample: eunomia_meta.Sample,
) -> Tracked | NotShown:
    """Return how a table is shown; in columns, values with ``slots`` are histograms anyway."""
    interval = min(max(sample.interval, _LEAST), _MOST)
    table = untyped.table(spec, map_spec, TypeId(item.type))
    return table._replace(interval=interval, drains=sample.clears)


def _buffer(btf: Btf | None, item: eunomia_meta.Map, record: TypeId) -> Tracked | NotShown | None:
    """Return how a buffer is shown, None if the package does not say what it holds."""
    if btf is None:
        return None
    if item.members:
        try:
            return _of_members(btf, item)
        except BtfError as error:
            return NotShown(item.name, None, str(error))
    record = TypeId(item.type) or record
    return Tracked(item.name, None, record) if record else None


def _of_members(btf: Btf, item: eunomia_meta.Map) -> Tracked:
    """Return a buffer with records of the members that the package lists. Raises BtfError."""
    ends = [member.offset + size_of(btf, TypeId(member.type)) for member in item.members]
    if max(ends) > _MAX_RECORD:
        raise BtfError(f"records of {max(ends)} bytes, at most {_MAX_RECORD} are taken")
    members = [(m.name, TypeId(m.type), 8 * m.offset) for m in item.members]
    writer = BtfWriter.after(btf)
    record = writer.struct("", max(ends), members)
    return Tracked(item.name, None, record, types=Btf(writer.data(), btf, btf.name))


def _single(spec: CollectionSpec, meta: Meta) -> TypeId:
    """Return the struct that the package exports, 0 if it does not say so for certain."""
    if spec.btf is None:
        return VOID
    for exported in meta.types[:1]:  # ecli shows one
        with suppress(BtfError):
            numbered = spec.btf.type(TypeId(exported.type))
            if isinstance(numbered, types.Struct) and numbered.name == exported.name:
                return TypeId(exported.type)
        return spec.btf.find(exported.name, Kind.STRUCT) or VOID
    prefix, suffix = _DUMMY
    named = [
        _pointee(spec.btf, variable.type)
        for variable in spec.variables
        if variable.name.startswith(prefix) and variable.name.endswith(suffix)
    ]
    return named[0] if len(named) == 1 else VOID


def _pointee(btf: Btf, type_id: TypeId) -> TypeId:
    """Return the struct that a type points to, 0 if it does not."""
    with suppress(BtfError):
        pointer = skip_mods_and_typedefs(btf, type_id)[1]
        if isinstance(pointer, types.Ptr):
            pointee, struct = skip_mods_and_typedefs(btf, pointer.type)
            return pointee if isinstance(struct, types.Struct) else VOID
    return VOID
