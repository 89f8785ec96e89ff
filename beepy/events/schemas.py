"""Make schemas of tracked maps and iterators from a convention's decisions and the types."""

from beepy import map_types
from beepy.btf.types import VOID
from beepy.errors import BtfError
from beepy.events.batch import Schema
from beepy.obj.spec import CollectionSpec, IteratorRecord, MapSpec, Tracked


def of_tracked(spec: CollectionSpec, tracked: Tracked, cpus: int = 0) -> Schema:
    """Return the schema of a tracked map.

    ``cpus`` is the number of possible CPUs for a per-CPU table, else 0. Raises BtfError for an
    object without types.
    """
    map_spec = next(map_spec for map_spec in spec.maps if map_spec.name == tracked.map)
    return of_map(spec, map_spec, tracked, cpus)


def of_map(spec: CollectionSpec, map_spec: MapSpec, tracked: Tracked, cpus: int = 0) -> Schema:
    """Return the schema of the tracked map ``map_spec``; the rest is as for ``of_tracked``."""
    btf = tracked.types or spec.btf
    if btf is None:
        raise BtfError("the object has no type information: compile it with clang -g")
    schema = Schema(
        image=spec.name,
        map=tracked.shown_as or tracked.map,
        role=tracked.role,
        btf=btf,
        record=tracked.record,
        texts=tracked.texts,
        metric=tracked.metric,
        metric_value=tracked.metric_value,
        drains=tracked.drains,
        vocabulary=tracked.vocabulary,
        presentation=tracked.presentation,
        metrics=tracked.metrics,
        measures=tracked.measures,
    )
    if tracked.record != VOID:
        counts_loss = map_types.of(map_spec.type).counts_loss or bool(tracked.lost_in)
        return schema._replace(counts_loss=counts_loss)
    return schema._replace(
        key=tracked.key or map_spec.key,
        value=tracked.value or map_spec.value,
        key_size=map_spec.key_size,
        value_size=map_spec.value_size,
        cpus=cpus,
        interval=tracked.interval,
    )


def of_iterator(spec: CollectionSpec, record: IteratorRecord) -> Schema:
    """Return the schema of what an iterator's programs write; the object has types."""
    assert spec.btf, "the record's type is one of the object"
    return Schema(
        image=spec.name,
        map=record.name,
        role=None,
        btf=spec.btf,
        record=record.record,
        counts_loss=True,
        vocabulary=record.vocabulary,
        presentation=record.presentation,
    )
