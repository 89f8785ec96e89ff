"""What is known of an image without loading it: read from its bytes, and from the tables of sections and map types."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Final, NamedTuple

from beepy import map_types, sections
from beepy.btf.cformat import c_type
from beepy.collection import context_writes, needs
from beepy.collection.needs import Needs
from beepy.collection.pins import Pins
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
from beepy.obj.sections import KCONFIG
from beepy.obj.spec import CollectionSpec, CoreRef, ExternRef, MapRef, MapSpec, NotShown, ProgramSpec
from beepy.oci.image import Image
from beepy.sections import Hook
from beepy.text import safe
from beepy.uapi import HELPERS, MapFlag, MapType

# what helpers can change beyond the program's own maps
_CHANGES: Final = {
    "memory of processes": "probe_write_user",
    "return values of kernel functions": "override_return",
    "signals to processes": "send_signal send_signal_thread",
    "how programs start": "bprm_opts_set",
    "packets": """
        skb_store_bytes l3_csum_replace l4_csum_replace clone_redirect skb_vlan_push skb_vlan_pop skb_set_tunnel_key
        skb_set_tunnel_opt redirect skb_change_proto skb_change_type skb_change_tail skb_change_head set_hash
        set_hash_invalid skb_adjust_room redirect_map redirect_neigh redirect_peer skb_set_tstamp xdp_adjust_head
        xdp_adjust_meta xdp_adjust_tail xdp_store_bytes sk_redirect_map sk_redirect_hash msg_redirect_map
        msg_redirect_hash msg_apply_bytes msg_cork_bytes msg_pull_data msg_push_data msg_pop_data lwt_push_encap
        lwt_seg6_store_bytes lwt_seg6_adjust_srh lwt_seg6_action store_hdr_opt reserve_hdr_opt tcp_send_ack
        skb_ecn_set_ce""",
    "sockets": """
        setsockopt bind sk_assign sk_select_reuseport sock_map_update sock_hash_update sock_ops_cb_flags_set""",
    "sysctl values": "sysctl_set_new_value",
    "answers of the kernel": "set_retval",
    "input events": "rc_repeat rc_keydown rc_pointer_rel",
    "other programs and maps": "sys_bpf",
    "open files": "sys_close",
}
_EFFECTS: Final = {helper: change for change, helpers in _CHANGES.items() for helper in helpers.split()}
# kfuncs that read, or change nothing but what is the program's own
_OWN_KFUNCS: Final = (
    *("bpf_get_", "bpf_iter_", "bpf_cpumask_", "bpf_obj_", "bpf_percpu_obj_", "bpf_list_", "bpf_rbtree_", "bpf_wq_"),
    *("bpf_refcount_", "bpf_rcu_", "bpf_preempt_", "bpf_local_irq_", "bpf_res_spin_", "bpf_arena_", "bpf_session_"),
    *("bpf_dynptr_", "bpf_copy_from_", "bpf_probe_read_", "bpf_str", "bpf_crypto_", "bpf_xdp_metadata_", "bpf_path_"),
    *("bpf_task_acquire", "bpf_task_release", "bpf_task_from_", "bpf_task_under_", "bpf_task_get_", "bpf_put_file"),
    *("bpf_cgroup_acquire", "bpf_cgroup_release", "bpf_cgroup_ancestor", "bpf_cgroup_from_", "bpf_cgroup_read_"),
    *("bpf_cast_to_kern_ctx", "bpf_rdonly_cast", "bpf_throw", "bpf_map_sum_elem_count", "bpf_lookup_", "bpf_key_put"),
    *("bpf_verify_", "bpf_stream_", "bpf_xdp_get_", "bpf_xdp_ct_lookup", "bpf_skb_ct_lookup", "bpf_ct_release"),
)

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
    needs: Needs


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
    needs: Needs
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
    whole, of_programs = needs.of_collection(spec)
    loaded = {one.name for one in spec.loaded}
    pinned = {one.name: f"map pinned at {path}" for one in spec.maps if (path := _shared(one))}
    programs = tuple(_program(one, of_programs[one.name], pinned, loaded=one.name in loaded) for one in spec.programs)
    decoders = Decoders()
    schemas = dict(_schemas(spec))
    refused = {one.map: one for one in spec.not_shown}
    decided = decide([Decoder(schema) for schema in schemas.values() if schema.role in KINDS])
    metrics = {metric.schema.map: metric for metric in decided.found}
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


def _shared(one: MapSpec) -> str:
    """Return where a map is pinned that programs may write to, "" if none is: it may be another's."""
    return "" if one.flags & MapFlag.RDONLY_PROG else Pins().path(one)


def _program(one: ProgramSpec, needed: Needs, pinned: Mapping[str, str], *, loaded: bool) -> ProgramInfo:
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
        tuple(sorted(_changes(one, hook, helpers, pinned))),
        needed,
    )


def _changes(one: ProgramSpec, hook: Hook | None, helpers: Sequence[str], pinned: Mapping[str, str]) -> set[str]:
    """Return what a program can change beyond its own maps; ``pinned`` are those that may be another's, by name."""
    changes = {_EFFECTS[helper] for helper in helpers if helper in _EFFECTS}
    changes |= {pinned[ref.map] for ref in one.refs if isinstance(ref, MapRef) and ref.map in pinned}
    if hook and hook.effect:
        changes.add(hook.effect)
    if hook and hook.context_effect and context_writes.writes(one):
        changes.add(hook.context_effect)
    called = [ref.name for ref in one.refs if isinstance(ref, ExternRef) and one.insns[ref.insn].code == CALL]
    return changes | {f"kernel function {name}" for name in called if not name.startswith(_OWN_KFUNCS)}


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
