"""TABLE: image format -> its convention, which decides what the maps of an object mean.

A convention sees the whole object and the hints of its image. Each is a file here, imported when
an image has its format.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from beepy import map_types
from beepy.btf.layout import size_of
from beepy.conventions import bee
from beepy.errors import BtfError
from beepy.events import schemas
from beepy.events.batch import Schema
from beepy.events.budget import Budget
from beepy.events.fields import fields
from beepy.obj.spec import CollectionSpec, IteratorRecord, MapSpec, NotShown, Tracked
from beepy.text import excerpt, safe

Hints: TypeAlias = Mapping[str, bytes]
"""What an image carries beside its programs: labels, YAML; empty for an object alone."""


def _unchanged(spec: CollectionSpec, _hints: Hints) -> CollectionSpec:
    return spec


class Convention(NamedTuple):
    """What the maps of an object mean.

    ``tracked`` yields the maps of an object that have a meaning, and those of them that cannot be
    shown. Before that, ``adapt`` returns the object as the format's own runner would load it: with
    other targets, map sizes, parameters. ``name`` is what ``describe`` shows.
    """

    name: str
    tracked: Callable[[CollectionSpec, Hints], Iterable[Tracked | NotShown]]
    adapt: Callable[[CollectionSpec, Hints], CollectionSpec] = _unchanged


def _bee() -> Convention:
    return Convention(BEE, bee.tracked)


def _gadget() -> Convention:
    from beepy.conventions import gadget  # noqa: PLC0415 - bee's images need none of it

    return Convention(GADGET, gadget.tracked, gadget.adapt)


def _exporter() -> Convention:
    from beepy.conventions import exporter  # noqa: PLC0415 - only images of ebpf_exporter need it

    return Convention("ebpf_exporter", exporter.tracked, exporter.adapt)


def _bpfman() -> Convention:
    from beepy.conventions import bpfman  # noqa: PLC0415 - imported for its images

    name = "bpfman: types of programs by the image's labels, maps automatically"
    return Convention(name, bpfman.tracked, bpfman.adapt)


def _eunomia() -> Convention:
    from beepy.conventions import eunomia  # noqa: PLC0415 - imported for its images

    return Convention("eunomia: maps and types by the package", eunomia.tracked, eunomia.adapt)


BEE: Final = "bee"
GADGET: Final = "gadget"
AUTOMATIC: Final = "automatic: no map has bee's prefix"
_AUTOMATIC: Final = {
    BEE: AUTOMATIC,
    GADGET: "automatic: no variable or tag of the gadget says what its maps mean",
}

# bee's convention also reads ELF files that are not in an image
TABLE: Final[Mapping[str, Callable[[], Convention]]] = {
    "bee": _bee,
    "elf": _bee,
    "gadget": _gadget,
    "exporter": _exporter,
    "bpfman": _bpfman,
    "eunomia": _eunomia,
}

NO_HINTS: Final[Hints] = MappingProxyType({})


def apply(spec: CollectionSpec, image_format: str, hints: Hints = NO_HINTS) -> CollectionSpec:
    """Return ``spec`` with ``tracked`` and ``not_shown``, by the convention of the image's format.

    It is the only object of its image; see ``apply_all``.
    """
    (applied,) = apply_all([spec], image_format, hints)
    return applied


def apply_all(
    specs: Sequence[CollectionSpec], image_format: str, hints: Hints = NO_HINTS
) -> list[CollectionSpec]:
    """Return the objects of an image with their ``tracked`` and ``not_shown``.

    If bee's convention or that of gadgets applies and gives no map of them a meaning, the automatic
    one is used. If the format has no convention, no map has a meaning. Raises BtfError if the
    records of all maps of an object have too many members together, or if those of an iterator have
    a malformed type.
    """
    if image_format not in TABLE:
        return [spec._replace(tracked=(), not_shown=(), convention="") for spec in specs]
    convention = TABLE[image_format]()
    name = convention.name
    specs = [convention.adapt(spec, hints) for spec in specs]
    decisions = [[*convention.tracked(spec, hints)] for spec in specs]
    if (
        name in _AUTOMATIC
        and not any(decisions)
        and not any(spec.iterator_records for spec in specs)
    ):
        from beepy.conventions import auto  # noqa: PLC0415 - images of bee need none of it

        name = _AUTOMATIC[name]
        decisions = [[*auto.tracked(spec, hints)] for spec in specs]
    return [_decided(spec, decided, name) for spec, decided in zip(specs, decisions, strict=True)]


def _decided(
    spec: CollectionSpec, decisions: Iterable[Tracked | NotShown], convention: str
) -> CollectionSpec:
    """Return ``spec`` with the decisions of a convention; maps that cannot be shown are not."""
    maps = {map_spec.name: map_spec for map_spec in spec.maps}
    tracked: list[Tracked] = []
    not_shown: list[NotShown] = []
    budget = Budget()
    for decision in decisions:
        if isinstance(decision, NotShown):
            not_shown.append(decision)
            continue
        try:
            _check(spec, maps[decision.map], decision, budget)
        except BtfError as error:
            if budget.left < 0:  # no further map can be checked
                raise BtfError(f"{safe(spec.name)}: {error}") from None
            not_shown.append(NotShown(decision.map, decision.role, str(error)))
        else:
            tracked.append(decision)
    for record in dict.fromkeys(spec.iterator_records.values()):
        _check_iterator(spec, record, budget)
    return spec._replace(tracked=tuple(tracked), not_shown=tuple(not_shown), convention=convention)


def _check_iterator(spec: CollectionSpec, record: IteratorRecord, budget: Budget) -> None:
    """Raise BtfError for an iterator whose records have a malformed type."""
    try:
        fields(schemas.of_iterator(spec, record), budget)
    except BtfError as error:
        name = f"data source '{excerpt(record.name)}'"
        raise BtfError(f"{safe(spec.name)}: {name}: {error}") from None


def _check(spec: CollectionSpec, map_spec: MapSpec, tracked: Tracked, budget: Budget) -> None:
    """Raise BtfError for a map that cannot be shown; ``budget`` bounds all maps of an object.

    Either nothing reads maps of its type, or the BTF types of its contents are unknown, malformed
    or of another size than the map's keys and values.
    """
    if reason := map_types.not_shown(map_spec.type):
        raise BtfError(reason)
    schema = schemas.of_map(spec, map_spec, tracked)
    if not schema.is_stream:
        _check_table(schema)
    fields(schema, budget)


def _check_table(schema: Schema) -> None:
    """Raise BtfError if the type of a table's keys or values is unknown or has another size."""
    for part, type_id, size in (
        ("key", schema.key, schema.key_size),
        ("value", schema.value, schema.value_size),
    ):
        if not type_id:
            advice = f"declare it with __type({part}, ...)"
            raise BtfError(f"the type of its {part}s is unknown: {advice}")
        type_size = size_of(schema.btf, type_id)
        if type_size != size:
            raise BtfError(f"the {part}'s type has {type_size} bytes: the map has {size}")
