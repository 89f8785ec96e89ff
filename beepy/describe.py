"""What is known of an image without loading it: read from its bytes, and from the tables of hooks and maps as data."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Final, NamedTuple

from beepy import hooks
from beepy.btf.show import c_type
from beepy.btf.types import VOID
from beepy.collection import needs
from beepy.collection.findings import ERROR, Checked
from beepy.collection.needs import Needs
from beepy.core.access import KIND_NAMES, parse, show
from beepy.core.resolve import Fixup
from beepy.errors import BtfError, DecodeError, RelocationError
from beepy.events import roles
from beepy.events.batch import Batch, Part, Schema
from beepy.events.codec import Value
from beepy.events.decoder import Decoder
from beepy.events.fields import VALUE
from beepy.events.naming import VALUE_FIELDS, label_names, metric_name
from beepy.obj.insn import CALL
from beepy.obj.sections import KCONFIG
from beepy.obj.spec import CollectionSpec, CoreRef, ExternRef, MapSpec, ProgramSpec, Role, Tracked, VariableSpec
from beepy.oci.image import Image
from beepy.text import safe
from beepy.uapi import HELPERS, MapFlag, MapType, ProgType

# what a helper can change beyond the program's own maps
_EFFECTS: Final = {
    "probe_write_user": "memory of processes",
    "override_return": "return values of kernel functions",
    "send_signal": "signals to processes",
    "send_signal_thread": "signals to processes",
    "sys_open": "files",
    "skb_store_bytes": "packets",
    "xdp_store_bytes": "packets",
    "redirect": "packets",
    "redirect_map": "packets",
    "setsockopt": "sockets",
    "sysctl_set_new_value": "sysctl values",
}
# what a program of that type decides about by what it returns
_VERDICTS: Final = {
    ProgType.XDP: "packets",
    ProgType.SCHED_CLS: "packets",
    ProgType.SCHED_ACT: "packets",
    ProgType.CGROUP_SKB: "packets",
    ProgType.NETFILTER: "packets",
    ProgType.LSM: "permissions",
    ProgType.CGROUP_DEVICE: "permissions",
    ProgType.CGROUP_SOCK: "sockets",
    ProgType.CGROUP_SOCK_ADDR: "sockets",
    ProgType.CGROUP_SOCKOPT: "sockets",
    ProgType.CGROUP_SYSCTL: "sysctl values",
    ProgType.SK_LOOKUP: "sockets",
    ProgType.SK_MSG: "sockets",
    ProgType.SK_SKB: "sockets",
    ProgType.STRUCT_OPS: "kernel operations",
    ProgType.EXT: "another program",
}

_NONE_RESOLVED: Mapping[str, Sequence[Fixup]] = MappingProxyType({})
_MAX_DEFAULT: Final = 4096  # bytes; larger variables are buffers
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
    needs: Needs


class FieldInfo(NamedTuple):
    """One field as outputs name it; ``offset`` and ``bits`` within the record, or within the key or value."""

    name: str
    type: str
    offset_bits: int
    bits: int
    part: str


class MapInfo(NamedTuple):
    """One map; ``role``, ``metric``, ``labels`` and ``fields`` only where the image's convention gives it a meaning."""

    name: str
    section: str
    type: str
    key_type: str
    value_type: str
    key_size: int
    value_size: int
    max_entries: int
    flags: str
    role: str | None
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
    needs: Needs
    check: CheckInfo | None


def describe(
    image: Image,
    spec: CollectionSpec,
    *,
    relocations: bool = False,
    fixups: Mapping[str, Sequence[Fixup]] = _NONE_RESOLVED,
    checked: Checked | None = None,
) -> Description:
    """Return what ``spec``, parsed from ``image``, holds.

    ``fixups`` are what its relocations became, by program, and ``checked`` what a kernel says of it, where one was
    asked (``collection.check``). Raises ObjectError for types that are malformed.
    """
    whole, of_programs = needs.of_collection(spec)
    programs = tuple(_program(one, of_programs[one.name]) for one in spec.programs)
    contents = {one.name: one.contents or b"" for one in spec.maps}
    return Description(
        image.name,
        image.digest,
        image.format,
        image.platform,
        image.size,
        dict(image.annotations),
        spec.license,
        tuple(sorted({change for one in programs for change in one.changes})),
        programs,
        tuple(_map(spec, one) for one in spec.maps if one.contents is None),
        tuple(_variable(spec, one, contents.get(one.map, b"")) for one in spec.variables if one.map != KCONFIG),
        tuple(extern.name for extern in spec.externs),
        tuple(_relocations(spec, fixups)) if relocations else (),
        whole,
        _check(checked) if checked else None,
    )


def _program(one: ProgramSpec, needed: Needs) -> ProgramInfo:
    hook = hooks.find(one.section)
    ids = dict.fromkeys(insn.imm for insn in one.insns if insn.code == CALL and insn.src == 0)
    helpers = tuple(HELPERS[number] if 0 <= number < len(HELPERS) else f"#{number}" for number in ids)
    changes = {_EFFECTS[helper] for helper in helpers if helper in _EFFECTS}
    if hook and hook.prog_type in _VERDICTS:
        changes.add(_VERDICTS[hook.prog_type])
    return ProgramInfo(
        one.name,
        one.section,
        hook.prog_type.name.lower() if hook else "",
        hooks.target(hook, one.section) if hook else "",
        one.autoload,
        len(one.insns),
        helpers,
        tuple(dict.fromkeys(ref.name for ref in one.refs if isinstance(ref, ExternRef))),
        tuple(sorted(changes)),
        needed,
    )


def _check(checked: Checked) -> CheckInfo:
    errors = [one for one in checked.findings if one.level == ERROR]
    return CheckInfo(
        checked.kernel,
        checked.runs,
        tuple(one.text for one in errors),
        tuple(one.text for one in checked.findings if one.level != ERROR),
        tuple(one.text for one in errors if one.skipped),
    )


def _map(spec: CollectionSpec, one: MapSpec) -> MapInfo:
    tracked = next((tracked for tracked in spec.tracked if tracked.map == one.name), None)
    fields = tuple(_fields(spec, tracked)) if tracked else ()
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
        tracked.role.value if tracked and tracked.role else None,
        *_metric(spec, tracked),
        fields,
    )


def _metric(spec: CollectionSpec, tracked: Tracked | None) -> tuple[str | None, tuple[str, ...]]:
    """Return the name of a map's metric and its labels, as they are without -k."""
    if tracked is None or tracked.role in (None, Role.PRINT):
        return None, ()
    schema = roles.schema(spec, tracked)
    fields = Decoder(schema).fields
    if schema.record == VOID:
        values = [field for field in fields if field.part == VALUE]
        if tracked.role is Role.HIST or len(values) != 1 or not values[0].codec.number:
            return None, ()
        labels = [field.label for field in fields if field.part != VALUE]
    else:
        labels = [field.label for field in fields if field.name != VALUE_FIELDS.get(tracked.role)]
    taken = ("le",) if tracked.role is Role.HIST else ()
    return metric_name(tracked.map), tuple(sorted(label_names(labels, taken)))


def _fields(spec: CollectionSpec, tracked: Tracked) -> Iterator[FieldInfo]:
    assert spec.btf
    schema = roles.schema(spec, tracked)
    for field in Decoder(schema).fields:
        part = "record" if schema.record != VOID else ("key", "value", "cpu")[field.part]
        yield FieldInfo(field.name, c_type(spec.btf, field.type), field.offset, field.bits, part)


def _variable(spec: CollectionSpec, one: VariableSpec, contents: bytes) -> VariableInfo:
    """Return one variable; ``contents`` are the initial bytes of its section, which end before those that are zeros."""
    assert spec.btf
    default: Value | dict[str, Value] = None
    if 0 < one.size <= _MAX_DEFAULT:
        raw = contents[one.offset : one.offset + one.size].ljust(one.size, b"\0")
        with suppress(BtfError, DecodeError):
            default = _value(Schema(spec.name, one.name, None, spec.btf, one.type), raw)
    return VariableInfo(one.name, one.map, c_type(spec.btf, one.type), one.size, one.const, default)


def _value(schema: Schema, raw: bytes) -> "Value | dict[str, Value]":
    decoder = Decoder(schema)
    batch = Batch(schema, (Part(raw, len(raw), 0),), 1, len(raw), 0)
    values = [column[0] for column in decoder.values(batch, decoder.fields)]
    if len(values) == 1 and decoder.fields[0].path == ("value",):
        return values[0]
    return {field.name: value for field, value in zip(decoder.fields, values, strict=True)}


def _relocations(spec: CollectionSpec, fixups: Mapping[str, Sequence[Fixup]]) -> Iterator[RelocationInfo]:
    for program in spec.programs:
        found = fixups.get(program.name)
        for number, ref in enumerate(program.core):
            kind = KIND_NAMES[ref.kind] if 0 <= ref.kind < len(KIND_NAMES) else f"kind {ref.kind}"
            resolved = _resolved(found[number]) if found else None
            yield RelocationInfo(program.name, ref.insn, kind, _access(spec, ref), resolved)


def _resolved(fixup: Fixup) -> str:
    if fixup.poison:
        return "missing"
    width = f", {fixup.old_size} -> {fixup.new_size} bytes" if fixup.new_size != fixup.old_size else ""
    return f"{fixup.old} -> {fixup.new}{width}"


def _access(spec: CollectionSpec, ref: CoreRef) -> str:
    assert spec.btf
    try:
        return show(spec.btf, parse(spec.btf, ref))
    except (RelocationError, BtfError) as error:
        return f"type {ref.type}, access {safe(ref.access[:80])}: {error}"
